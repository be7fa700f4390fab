#!/bin/bash
# Networks one node without an overlay: a ptp veth for each Pod, one kernel route for each other node.
# A stand-in for kindnetd in the node image that we build; it does for IPv4 what a lab can see of kindnetd.
set -o nounset -o pipefail
: "${NODE_NAME:?}" "${POD_SUBNET:?}" "${CONTROL_PLANE_ENDPOINT:?}" "${POLICY_QUEUE:?}"

account=/var/run/secrets/kubernetes.io/serviceaccount
kubeconfig=/run/node-network.kubeconfig

# The token stays in its file, which the kubelet renews: never on a command line, never copied.
write_kubeconfig() {
  cat > $kubeconfig << YAML
apiVersion: v1
kind: Config
current-context: node
contexts: [{name: node, context: {cluster: node, user: node}}]
clusters: [{name: node, cluster: {server: "https://$CONTROL_PLANE_ENDPOINT", certificate-authority: $account/ca.crt}}]
users: [{name: node, user: {tokenFile: $account/token}}]
YAML
}

# What leaves the Pod network leaves with the node's address.
masquerade() {
  iptables -t nat -N KIND-MASQ-AGENT 2> /dev/null
  iptables -t nat -F KIND-MASQ-AGENT
  iptables -t nat -A KIND-MASQ-AGENT -d "$POD_SUBNET" -j RETURN
  iptables -t nat -A KIND-MASQ-AGENT -j MASQUERADE
  local jump=(POSTROUTING -m addrtype ! --dst-type LOCAL -j KIND-MASQ-AGENT)
  iptables -t nat -C "${jump[@]}" 2> /dev/null || iptables -t nat -A "${jump[@]}"
}

# Whether this kernel knows nft's queue statement. A chain without a hook sees no packet.
has_nft_queue() {
  nft -f - 2> /dev/null << NFT || return 1
table inet node-network-test {
  chain test { queue flags bypass to $POLICY_QUEUE; }
}
NFT
  nft delete table inet node-network-test
}

# The policy engine judges new connections that an nft rule of its own hands to it. A kernel without nft's queue
# refuses that rule, the engine goes on, and nothing would be enforced. There, an xtables rule hands the packets over.
# In mangle, since filter is too late: kube-proxy's rules accept first, and NodePort traffic would skip every policy.
hand_to_policy_engine() {
  iptables -t mangle -N NODE-POLICY 2> /dev/null
  iptables -t mangle -F NODE-POLICY
  if has_nft_queue; then
    echo "policies: handed over by the engine's own nft rule"
    return
  fi
  iptables -t mangle -A NODE-POLICY -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
  iptables -t mangle -A NODE-POLICY -j NFQUEUE --queue-num "$POLICY_QUEUE" --queue-bypass
  iptables -t mangle -C FORWARD -j NODE-POLICY 2> /dev/null || iptables -t mangle -I FORWARD -j NODE-POLICY
  echo "policies: handed over by an xtables rule"
}

# Writing this file makes the node Ready. Renamed into place, so that containerd never reads half of it.
write_cni_config() { # pod range of this node
  local mtu
  mtu=$(< /sys/class/net/eth0/mtu)
  cat > /etc/cni/net.d/.new << JSON
{"cniVersion": "0.4.0", "name": "kindnet", "plugins": [
  {"type": "ptp", "ipMasq": false, "mtu": $mtu, "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam-state",
    "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "$1"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
  mv /etc/cni/net.d/.new /etc/cni/net.d/10-kindnet.conflist
}

# One line for each node at first, then one for each change: name, Pod range, addresses.
watch_nodes() {
  kubectl --kubeconfig=$kubeconfig get nodes --watch --no-headers -o \
    custom-columns='NAME:.metadata.name,RANGE:.spec.podCIDR,ADDRESS:.status.addresses[?(@.type=="InternalIP")].address'
}

declare -A seen
follow_nodes() {
  local name range address
  while read -r name range address; do
    address=${address%%,*}
    if [[ $range == "<none>" || $address == "<none>" || ${seen[$name]:-} == "$range $address" ]]; then continue; fi
    if [[ $name == "$NODE_NAME" ]]; then
      write_cni_config "$range"
    else
      ip route replace "$range" via "$address" || continue
    fi
    seen[$name]="$range $address"
    echo "node $name: $range at $address"
  done
}

write_kubeconfig
masquerade
hand_to_policy_engine
while :; do
  # Not a pipe: what the loop has seen must outlive the watch, which the API server ends now and then.
  follow_nodes < <(watch_nodes)
  sleep 1
done

// Command runc-granted runs runc, asking only for what the host can grant.
//
// On a host without CAP_SYS_RESOURCE (some virtual machines and nested containers) runc refuses
// every privileged container: it may neither pass that capability on, nor raise a limit, nor
// lower a process's out-of-memory score. Where the capability is missing, this program takes
// those three requests out of the OCI spec (of `create`, `run` and `restore`, and of
// `exec --process`) and then becomes runc. Where it is there, nothing is changed, so that one
// node image serves both kinds of host.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	capability = "CAP_SYS_RESOURCE"
	bit        = 24 // of that capability, in linux/capability.h
)

func main() {
	if !granted("/proc/self/status") {
		if err := adjust(os.Args[1:]); err != nil {
			fail(err)
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		fail(err)
	}
	fail(syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ()))
}

// fail ends the program as runc would: containerd reads the reason from standard error.
func fail(err error) {
	fmt.Fprintln(os.Stderr, "runc-granted:", err)
	os.Exit(1)
}

// granted tells whether the bounding set in a /proc status file holds the capability.
// A file that cannot be read counts as yes: then runc itself reports what is wrong.
func granted(status string) bool {
	content, err := os.ReadFile(status)
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(content)) {
		if hex, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err != nil || set&(1<<bit) != 0
		}
	}
	return true
}

// adjust rewrites the spec file that runc's arguments point to, if they point to one.
func adjust(args []string) error {
	switch verb(args) {
	case "create", "run", "restore":
		bundle := option(args, "--bundle", "-b")
		if bundle == "" {
			bundle = "."
		}
		return rewrite(filepath.Join(bundle, "config.json"), func(spec map[string]any) any { return spec["process"] })
	case "exec":
		if file := option(args, "--process", "-p"); file != "" {
			return rewrite(file, func(process map[string]any) any { return process })
		}
	}
	return nil
}

// verb returns the first argument that is one of runc's commands with a spec.
func verb(args []string) string {
	for _, arg := range args {
		if slices.Contains([]string{"create", "run", "exec", "restore"}, arg) {
			return arg
		}
	}
	return ""
}

// option returns the value of a flag given as `--flag value` or `--flag=value`.
func option(args []string, long, short string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, long+"="); ok {
			return value
		}
		if (arg == long || arg == short) && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// rewrite strips the process, as picked from the JSON file, and writes the file back.
func rewrite(path string, pick func(map[string]any) any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var spec map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(content)))
	decoder.UseNumber() // 64-bit limits do not survive a float
	if err := decoder.Decode(&spec); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if process, ok := pick(spec).(map[string]any); ok {
		strip(process)
	}
	out, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(path, out, 0o600)
}

// strip takes the three requests out of an OCI process.
func strip(process map[string]any) {
	delete(process, "rlimits")
	delete(process, "oomScoreAdj")
	sets, _ := process["capabilities"].(map[string]any)
	for name, value := range sets {
		set, _ := value.([]any)
		sets[name] = slices.DeleteFunc(set, func(c any) bool { return c == capability })
	}
}

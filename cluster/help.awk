# Prints the help of a Makefile: targets with `##` are for learners, those with `##!` for authors.
/^[a-z%-]+:.*##/ {
    split($0, parts, /:[^#]*##!? /)
    name = parts[1]
    sub(/%/, "N", name)
    line = sprintf("  make %-14s %s", name, parts[2])
    if ($0 ~ /##!/) authors = authors line "\n"; else learners = learners line "\n"
}
END { printf "For learners (N is a lab's number, say 3)\n%s\nFor authors\n%s", learners, authors }

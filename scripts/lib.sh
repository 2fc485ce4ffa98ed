# shellcheck shell=bash
# What test.sh and its parts share: headings, timed steps, clear ends. Sourced, not run.

export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"
STEP_NAMES=()
STEP_SECONDS=()

# heading TEXT…: one line that stands out.
heading() { printf '\n== %s\n' "$*"; }

# broken TEXT…: says what is wrong and what to do, on stderr; for gates that then return 1.
broken() { printf '!! %s\n' "$@" >&2; }

# timed NAME COMMAND…: runs it and notes how long it took; its status is the command's.
timed() {
    local name=$1 start=$SECONDS status=0
    shift
    heading "$name"
    "$@" || status=$?
    STEP_NAMES+=("$name")
    STEP_SECONDS+=($((SECONDS - start)))
    return "$status"
}

# step NAME COMMAND…: as timed, and ends the script when the command fails.
step() {
    local name=$1
    if ! timed "$@"; then
        print_times
        broken "step '$name' failed; see above"
        exit 1
    fi
}

print_times() {
    heading "time, s"
    local i
    for i in "${!STEP_NAMES[@]}"; do
        printf '%6d  %s\n' "${STEP_SECONDS[$i]}" "${STEP_NAMES[$i]}"
    done
    printf '%6d  all\n' "$SECONDS"
}

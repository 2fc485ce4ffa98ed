#!/usr/bin/env bash
# Holds docs/client-checklists.md to its promises: every box of the contract's section 7 once, tests that exist.
# Prints the counts; a box marked `later` waits for a part that is not there yet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
page=docs/client-checklists.md

# Boxes per list, counted once from the contract's text.
lists=(java:14 python:7 go:20 legacy:7 every:5)
wrong=0
say() { echo "check-client-checklists: $*" >&2; wrong=1; }

rows=$(grep -E '^\| [a-z]+-[0-9]+ \|' "$page")
boxes=$(cut -d'|' -f2 <<<"$rows" | tr -d ' ')
expected=$(for l in "${lists[@]}"; do for ((n = 1; n <= ${l#*:}; n++)); do echo "${l%:*}-$n"; done; done)
for box in $(sort <<<"$boxes" | uniq -d); do say "box $box is there twice"; done
for box in $(comm -13 <(sort -u <<<"$boxes") <(sort <<<"$expected")); do say "box $box is missing"; done
for box in $(comm -23 <(sort -u <<<"$boxes") <(sort <<<"$expected")); do say "the contract has no box $box"; done

# A box is ticked by a test, not by a helper: the function below a #[test].
known=$(grep -rhA2 -E '#\[(tokio::)?test' crates --include='*.rs' | grep -oE 'fn [a-z0-9_]+' | cut -c4-)
# The store's cases are functions of its conformance suite.
known+=$'\n'$(grep -rhoE 'pub async fn [a-z0-9_]+' crates/store/src/conformance | sed 's/.* //')
later=0
while IFS='|' read -r _ box _ tests _; do
    box=${box// /}
    if [[ ${tests// /} == later ]]; then
        later=$((later + 1))
        continue
    fi
    named=$(grep -oE '`[a-z0-9_:]+`' <<<"$tests" | tr -d '`' || true)
    [[ -n $named ]] || say "box $box names no test"
    for test in $named; do
        grep -qx "${test##*::}" <<<"$known" || say "box $box: there is no test $test"
    done
done <<<"$rows"
echo "client checklists: $(($(wc -l <<<"$boxes") - later)) boxes with their tests, $later later"
exit $wrong

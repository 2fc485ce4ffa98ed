#!/usr/bin/env bash
# Holds docs/contract-rows.md to its promises: every row of the contract once, known verdicts, lines of
# docs/differences.md that exist, tests that exist, at most 10 % not applicable. Prints the counts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
page=docs/contract-rows.md

# Rows of the contract by section, counted once from its text.
sections=(1.1:11 1.2:11 1.3:14 1.4:41 1.5:12 1.6:24 2.1:9 2.2:11 2.3:19 3.2:3 3.3:6 3.4:10 3.5:6 3.6:12
    4.1:11 4.2:3 4.3:12 4.4:15 4.5:37 5.1:10 5.2:5 5.3:9 5.4:12 5.6:6 6.1:11 6.2:20 6.3:12 8:27 9:12
    R1:22 R2:14 R3.1:18 R3.2:22 R3.3:19 R3.4:15 R4.1:25 R4.2:20 R4.3:23 R5:39
    R6:48 R7.1:21 R7.2:22 R7.3:26 R8:27 R9:11)
wrong=0
say() { echo "check-contract-rows: $*" >&2; wrong=1; }

rows=$(grep -E '^\| ([1-6]\.[0-9]+|[89]|R[1-9](\.[0-9])?)-[0-9]+ \|' "$page")
ids=$(cut -d'|' -f2 <<<"$rows" | tr -d ' ')
expected=$(for s in "${sections[@]}"; do for ((n = 1; n <= ${s#*:}; n++)); do echo "${s%:*}-$n"; done; done)
for id in $(sort <<<"$ids" | uniq -d); do say "row $id is there twice"; done
for id in $(comm -13 <(sort -u <<<"$ids") <(sort <<<"$expected")); do say "row $id is missing"; done
for id in $(comm -23 <(sort -u <<<"$ids") <(sort <<<"$expected")); do say "the contract has no row $id"; done

known=$(grep -rhoE 'fn [a-z0-9_]+' crates --include='*.rs' | cut -c4- | sort -u)
exact=0 changed=0 none=0
while IFS='|' read -r _ id _ verdict tests _; do
    id=${id// /} verdict=${verdict# } verdict=${verdict% }
    [[ -n ${tests// /} || -n ${verdict// /} ]] || continue # a row of a later part has no verdict
    case $verdict in
        exact) exact=$((exact + 1)) ;;
        'changed (D'*')')
            changed=$((changed + 1))
            line=${verdict#changed (} line=${line%)}
            grep -q "^| $line |" docs/differences.md || say "row $id: docs/differences.md has no line $line"
            ;;
        'not applicable ('?*')') none=$((none + 1)); continue ;;
        *) say "row $id: unknown verdict '$verdict'"; continue ;;
    esac
    named=$(grep -oE '`[a-z0-9_:]+`' <<<"$tests" | tr -d '`' || true)
    [[ -n $named ]] || say "row $id names no test"
    for test in $named; do
        grep -qx "${test##*::}" <<<"$known" || say "row $id: there is no test $test"
    done
done <<<"$rows"
total=$((exact + changed + none))
((none * 100 <= total * 10)) || say "$none of $total rows are not applicable, more than 10 %"
echo "contract rows: $exact exact, $changed changed, $none not applicable, $(($(wc -l <<<"$ids") - total)) of later parts"
exit $wrong

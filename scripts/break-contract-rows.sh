#!/usr/bin/env bash
# Whether the tests of the contract's rows would notice: breaks ten rows in a copy of the tree, one after the
# other, and sees the named test of each fail that passed before. Prints a table; exits 1 if a break goes
# unnoticed or its patch no longer applies. It builds the server a dozen times, so ./test.sh does not run it:
# run it after a change of how rows are tested.
#
# The copy is target/break-rows/tree, with a target directory of its own; the tree itself is not touched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scratch=$PWD/target/break-rows
tree=$scratch/tree
export CARGO_TARGET_DIR=$scratch/target

# breaks ROW FILE TEST OLD NEW: the row or box of the documents, what is replaced in FILE by what, and the test,
# as binary::module::name, that must fail then.
rows=() files=() tests=() olds=() news=()
breaks() {
    rows+=("$1") files+=("$2") tests+=("$3") olds+=("$4") news+=("$5")
}
breaks 1.1-6 crates/wire/src/decode/route.rs \
    api::misuse::both_prefixes_and_every_content_type_are_served \
    'rest.starts_with("/v1")).unwrap_or(raw)' \
    'rest.starts_with("/v1")).unwrap_or("")'
breaks 1.4-20 crates/engine/src/rules.rs \
    api::legality::every_action_in_every_state_is_answered_as_the_contract_says_in_zstack \
    "Err(Fault::invalid(\"delete longjob only when it's succeeded, canceled, or failed\"))" \
    'Ok(())'
breaks 2.2-1 crates/wire/src/decode/misuse.rs \
    api::misuse::credentials_of_a_form_that_nobody_has_are_told_before_anything_else_of_the_call \
    "missing header 'Authorization'" \
    'no credentials'
breaks 3.4-3 crates/wire/src/reply.rs \
    api::polls::a_poll_needs_no_session_and_answers_the_same_again_and_again \
    'Self { status: 503, content_type: JSON, body: error::body(fault) }' \
    'Self { status: 500, content_type: JSON, body: error::body(fault) }'
breaks 4.4-1 crates/wire/src/validate.rs \
    api::validation::a_submission_is_checked_field_by_field_with_the_contracts_texts \
    'is mandatory, can not be null' \
    'is missing'
breaks 5.2-3 crates/wire/src/query.rs \
    api::query::conditions_find_what_the_contract_says \
    '("!~=", Op::NotLike, "not like")' \
    '("!~=", Op::Like, "not like")'
breaks 6.1-3 crates/wire/src/time.rs \
    api::inventory::every_key_of_the_inventory_has_its_type_in_each_of_the_seven_states \
    '%b %-d, %Y %-I:%M:%S %p' \
    '%Y-%m-%d %H:%M:%S'
breaks java-12 crates/wire/src/decode.rs \
    clients::java_list::javas_tags_inside_the_wrapper_are_the_jobs_tags \
    '[top, wrapper.and_then(|w| w.get(key))].into_iter()' \
    '[top, None].into_iter()'
breaks 8-4 crates/wire/src/query/raw.rs \
    clients::go_list::go_finds_exactly_one_element_under_the_uuid_of_a_job_and_none_under_an_unknown_one \
    'RawCondition { name: "uuid".to_owned(), op: Op::Eq, value: uuid.to_owned() }' \
    'RawCondition { name: "uuid".to_owned(), op: Op::Ne, value: uuid.to_owned() }'
breaks 9-6 crates/wire/src/legacy/encode.rs \
    api::legacy::failures_are_inside_of_the_answer_under_the_general_class \
    '"org.zstack.header.message.API{kind}"' \
    '"org.zstack.header.message.APIFailed{kind}"'

# Brings the copy up to date. What is equal keeps its time, so that it is not built again.
copy() {
    local file
    mkdir -p "$tree"
    git ls-files --cached --others --exclude-standard -z | while IFS= read -r -d '' file; do
        [[ -f $file ]] || continue
        cmp -s "$file" "$tree/$file" || { mkdir -p "$tree/$(dirname "$file")" && cp "$file" "$tree/$file"; }
    done
    (cd "$tree" && find . -type f -print0) | while IFS= read -r -d '' file; do
        [[ -f ${file#./} ]] || rm "$tree/$file"
    done
}

# run TEST: passed, failed, or why it is neither.
run() {
    local binary=${1%%::*} name=${1#*::} out
    if ! (cd "$tree" && cargo test --quiet --locked -p longhaul-server --test "$binary" --no-run) \
        >"$scratch/build.log" 2>&1; then
        echo "does not build, see $scratch/build.log"
        return
    fi
    out=$(cd "$tree" && cargo test --quiet --locked -p longhaul-server --test "$binary" -- --exact "$name" 2>&1) || true
    case $out in
        *'1 passed; 0 failed'*) echo passed ;;
        *'0 passed; 1 failed'*) echo failed ;;
        *) echo "did not run: there is no such test" ;;
    esac
}

# replaced FILE OLD NEW: in the copy, if OLD is there exactly once.
replaced() {
    local file=$tree/$1 text rest
    text=$(cat "$file" && echo .)
    rest=${text#*"$2"}
    [[ $rest != "$text" && $rest != *"$2"* ]] || return 1
    printf '%s' "${text%%"$2"*}$3${rest%.}" >"$file"
}

copy
wrong=0 before=()
# All unbroken runs first: they share one build.
for test in "${tests[@]}"; do before+=("$(run "$test")"); done
printf '%-8s %-8s %-8s %s\n' row before broken test
for n in "${!rows[@]}"; do
    row=${rows[n]} file=${files[n]} test=${tests[n]}
    if ! grep -hE "^\| $row \|" docs/contract-rows.md docs/client-checklists.md | grep -q "${test##*::}"; then
        broken='the documents name another test for this row'
    elif ! replaced "$file" "${olds[n]}" "${news[n]}"; then
        broken="the patch no longer applies to $file"
    else
        broken=$(run "$test")
    fi
    cp "$file" "$tree/$file"
    [[ ${before[n]} == passed && $broken == failed ]] || wrong=1
    printf '%-8s %-8s %-8s %s\n' "$row" "${before[n]}" "$broken" "$test"
done
[[ $wrong -eq 0 ]] || echo "break-contract-rows: a break went unnoticed, or could not be made" >&2
exit $wrong

# shellcheck shell=bash
# The quality gates. Each is a function `gate_NAME` that answers 0 or says what to run. Sourced by test.sh.
# A new gate: its function, and its name in GATES.

GATES=(format sources arrows dependencies deny links scripts migrations tables clippy docs generated)
GATES_PASSED=()
GATES_FAILED=()

# run_gates [NAME…]: all, or those named. Every gate runs, so that one run shows all that is wrong.
run_gates() {
    local gate chosen=("$@")
    [[ ${#chosen[@]} -gt 0 ]] || chosen=("${GATES[@]}")
    for gate in "${chosen[@]}"; do
        if ! declare -F "gate_$gate" >/dev/null; then
            broken "there is no gate '$gate'; there are: ${GATES[*]}"
            exit 2
        fi
        if timed "gate $gate" "gate_$gate"; then
            GATES_PASSED+=("$gate")
        else
            GATES_FAILED+=("$gate")
        fi
    done
    if [[ ${#GATES_FAILED[@]} -gt 0 ]]; then
        print_times
        print_gates
        exit 1
    fi
}

print_gates() {
    heading "gates"
    local gate
    for gate in "${GATES_FAILED[@]}"; do
        printf 'failed: %s    (again: ./test.sh --gates %s)\n' "$gate" "$gate"
    done
    printf '%d passed, %d failed\n' "${#GATES_PASSED[@]}" "${#GATES_FAILED[@]}"
}

gate_format() {
    cargo fmt --all --check ||
        { broken "the code is not formatted; run: cargo fmt --all"; return 1; }
}

gate_clippy() {
    cargo clippy --workspace --all-targets --quiet -- -D warnings ||
        {
            broken "clippy found something; run: cargo clippy --workspace --all-targets" \
                "a banned call names its replacement; the bans are in clippy.toml"
            return 1
        }
}

gate_docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet ||
        { broken "the documentation has warnings; run: cargo doc --workspace --no-deps"; return 1; }
}

# Licences, bans and sources always; advisories where their database can be fetched.
gate_deny() {
    if [[ ! -x ${CARGO_DENY:-} ]]; then
        broken "cargo-deny is not installed; see scripts/tools.sh"
        return 1
    fi
    "$CARGO_DENY" --workspace check --hide-inclusion-graph licenses bans sources ||
        { broken "a dependency breaks deny.toml: choose another one, or argue for a line there"; return 1; }
    local log
    log=$(mktemp)
    if "$CARGO_DENY" --workspace fetch db >"$log" 2>&1; then
        rm -f "$log"
        "$CARGO_DENY" --workspace check --disable-fetch advisories ||
            { broken "a dependency has a known advisory; update it: cargo update -p NAME"; return 1; }
    else
        rm -f "$log"
        printf '\n## NOT CHECKED: advisories. Their database could not be fetched from here.\n'
        printf '## On a machine that reaches it: cargo deny --workspace check advisories\n'
    fi
}

# Crates that are in the tree in two versions: only those listed.
gate_dependencies() {
    local allowed=scripts/duplicates-allowed.txt found
    found=$(cargo tree --workspace --locked --duplicates --depth 0 --prefix none) ||
        { broken "cargo tree failed; is Cargo.lock up to date? run: cargo check --workspace"; return 1; }
    python3 scripts/tree.py duplicates "$allowed" <<<"$found"
}

gate_sources() { python3 scripts/tree.py sources; }

gate_arrows() { cargo metadata --locked --format-version 1 --no-deps | python3 scripts/tree.py arrows; }

gate_links() { python3 scripts/tree.py links; }

# Tables of the documents that have a check of their own: every scripts/check-*.
gate_tables() {
    local check status=0
    for check in scripts/check-*; do
        [[ -x $check ]] || continue
        echo "$check"
        "$check" || { broken "$check found something; run it"; status=1; }
    done
    return "$status"
}

gate_migrations() { python3 scripts/migrations.py; }

gate_generated() {
    local fresh
    fresh=$(mktemp -d)
    if ! scripts/generate.sh "$fresh"; then
        rm -rf "$fresh"
        broken "the generated files could not be made; see above"
        return 1
    fi
    local file status=0
    while read -r file; do
        diff -u "$file" "$fresh/$file" | head -40
        [[ ${PIPESTATUS[0]} -eq 0 ]] || { broken "$file is out of date; run: scripts/generate.sh"; status=1; }
    done < <(cd "$fresh" && find . -type f -printf '%P\n' | sort)
    rm -rf "$fresh"
    return "$status"
}

gate_scripts() {
    local file files=() status=0
    while read -r file; do
        [[ -f $file ]] || continue
        [[ $file == *.sh ]] || head -n1 "$file" | grep -q '^#!.*bash' || continue
        files+=("$file")
        bash -n "$file" || { broken "$file does not parse; run: bash -n $file"; status=1; }
    done < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci scripts docs | sort -u)
    if command -v shellcheck >/dev/null; then
        shellcheck --external-sources --severity=warning "${files[@]}" ||
            { broken "shellcheck found something; run: shellcheck -x ${files[*]}"; status=1; }
    else
        echo "shellcheck is not here: only parsed (apt-get install shellcheck)"
    fi
    return "$status"
}

# shellcheck shell=bash
# The programs that gates and suites need: Debian's packages by apt-get, cargo-deny by cargo. Sourced.

readonly CARGO_DENY_VERSION=0.20.2
TOOLS_DIR="${LONGHAUL_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/longhaul-tools}"

as_root() {
    if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# Installs packages as far as they can be had; the caller looks whether what it needs is there.
apt_install() {
    # Once only: nothing else in this run needs a newer list.
    if [[ -z ${APT_UPDATED:-} ]]; then
        as_root apt-get update -qq || broken "apt-get update failed; trying with the lists that are here"
        APT_UPDATED=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null || true
}

# need PROGRAM:PACKAGE…: installs the packages whose program is not there; names what stays missing.
need() {
    local pair missing=() packages=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
    done
    if [[ ${#packages[@]} -eq 0 ]]; then
        echo "all there"
        return 0
    fi
    echo "installing: ${packages[*]}"
    if ! command -v apt-get >/dev/null; then
        broken "this machine has no apt-get; install by hand what provides: ${packages[*]} (Debian's names)"
        return 1
    fi
    apt_install "${packages[@]}"
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair%%:*} (package ${pair#*:})")
    done
    if [[ ${#missing[@]} -gt 0 ]]; then
        broken "not installed: ${missing[*]}" \
            "install them, or run as root or with sudo so that this script can"
        return 1
    fi
}

# Debian's Rust is too old, so it is not installed here.
need_rust() {
    local tool
    for tool in cargo rustc rustfmt cargo-clippy; do
        command -v "$tool" >/dev/null && continue
        broken "$tool is not here; install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer with rustfmt and clippy, as https://rustup.rs says"
        return 1
    done
}

install_gate_tools() {
    need_rust || return 1
    need cc:build-essential git:git python3:python3 diff:diffutils || return 1
    install_cargo_deny
}

install_suite_tools() {
    need_rust || return 1
    # First QEMU itself: where another build of its tools is installed, apt takes that away with it, and the
    # second line brings the tools of the same build back.
    need qemu-system-x86_64:qemu-system-x86 || return 1
    need cc:build-essential python3:python3 qemu-img:qemu-utils qemu-io:qemu-utils \
        unshare:util-linux ip:iproute2 curl:curl openssl:openssl ps:procps \
        sha256sum:coreutils jq:jq cmp:diffutils javac:default-jdk-headless nginx:nginx-light \
        ceph-mon:ceph-mon ceph-mgr:ceph-mgr ceph-osd:ceph-osd ceph:ceph-common rbd:ceph-common || return 1
    need_python_venv || return 1
    need_gson || return 1
    need_postgres
}

readonly POSTGRES_LEAST=15

# The folder of the newest PostgreSQL server of at least POSTGRES_LEAST; it is in nobody's PATH on Debian.
postgres_bin() {
    local newest
    newest=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -1)
    [[ -x $newest ]] || newest=$(readlink -f "$(command -v initdb || true)" || true)
    [[ -x $newest ]] || return 1
    [[ $("${newest%/*}/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/') -ge $POSTGRES_LEAST ]] || return 1
    echo "${newest%/*}"
}

pgbouncer_here() { (PATH=$PATH:/usr/sbin; command -v pgbouncer >/dev/null); }

# The programs alone: Debian's packages would make a server that runs on port 5432 for good, and a pooler on 6432.
need_postgres() {
    local packages=()
    postgres_bin >/dev/null || packages+=(postgresql)
    pgbouncer_here || packages+=(pgbouncer)
    [[ ${#packages[@]} -gt 0 ]] || return 0
    echo "installing: ${packages[*]}"
    local no_cluster=/etc/postgresql-common/createcluster.d/longhaul-tests.conf no_start=/usr/sbin/policy-rc.d
    local was_there=yes
    as_root mkdir -p "${no_cluster%/*}"
    echo "create_main_cluster = false" | as_root tee "$no_cluster" >/dev/null
    if [[ ! -e $no_start ]]; then
        was_there=no
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$no_start" >/dev/null
        as_root chmod 755 "$no_start"
    fi
    apt_install "${packages[@]}"
    as_root rm -f "$no_cluster"
    as_root rmdir -p --ignore-fail-on-non-empty "${no_cluster%/*}"
    [[ $was_there == yes ]] || as_root rm -f "$no_start"
    postgres_bin >/dev/null ||
        { broken "there is no PostgreSQL server of version $POSTGRES_LEAST or later; install Debian's package postgresql, or put the folder of initdb and postgres into PATH"; return 1; }
    pgbouncer_here || { broken "pgbouncer is not installed; install Debian's package pgbouncer"; return 1; }
}

# A library, so no program tells whether it is there.
need_gson() {
    local jar=${GSON_JAR:-/usr/share/java/gson.jar}
    [[ -f $jar ]] && return 0
    echo "installing: libgoogle-gson-java"
    apt_install libgoogle-gson-java
    [[ -f $jar ]] || { broken "there is no $jar; install libgoogle-gson-java, or set GSON_JAR to Gson's jar"; return 1; }
}

# Debian's Python has no venv of its own; others do.
need_python_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null && return 0
    echo "installing: python3-venv"
    apt_install python3-venv
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        { broken "python3 has no venv; install python3-venv"; return 1; }
}

# Pinned and outside the target folder: built once for a machine. Little optimised: it runs for a second.
install_cargo_deny() {
    CARGO_DENY="$TOOLS_DIR/cargo-deny-$CARGO_DENY_VERSION/bin/cargo-deny"
    if [[ -x $CARGO_DENY ]]; then
        echo "cargo-deny $CARGO_DENY_VERSION: $CARGO_DENY"
        return 0
    fi
    echo "building cargo-deny $CARGO_DENY_VERSION into $TOOLS_DIR, once for this machine"
    # From / : the settings of this repository are not its own.
    (cd / && env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --quiet cargo-deny \
        --version "$CARGO_DENY_VERSION" --locked --root "$TOOLS_DIR/cargo-deny-$CARGO_DENY_VERSION") ||
        broken "cargo-deny could not be built; the gate 'deny' will fail" \
            "run: cargo install cargo-deny --version $CARGO_DENY_VERSION --locked --root $TOOLS_DIR/cargo-deny-$CARGO_DENY_VERSION"
}

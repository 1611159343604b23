#!/bin/bash
# Installs the Debian packages that sets of this project need: deps.sh build|lab|test|bench|lint|vm...
# Does nothing, quickly, when all are there.  Works as root on a minimal Debian 12.
set -eu

build='gcc make pkg-config libc6-dev python3 libuv1-dev libyaml-dev libjansson-dev
    libmicrohttpd-dev libgnutls28-dev libsqlite3-dev libcurl4-gnutls-dev libarchive-dev
    libldns-dev zlib1g-dev libhttp-parser-dev libpcre2-dev libcrypt-dev'
# The files of images come from packages that are fetched (apt-get download), not installed.
lab='tzdata runc conmon nftables iproute2 docker-registry python3 util-linux mount procps
    ca-certificates'
command -v kubectl > /dev/null || lab="$lab kubernetes-client"
test='python3-pytest python3-pytest-xdist python3-kubernetes python3-yaml libcmocka-dev busybox-static
    curl openssl'
bench='wrk etcd-server openssl'
lint='clang-format clang-tidy cppcheck clang git'

# qemu is only run, the disk of its machine is made from Debian's archive.
vm="qemu-system-x86 qemu-utils mmdebstrap e2fsprogs cpio kmod python3 $lab"

missing=()
for set in "$@"; do
    case $set in
    build | lab | test | lint | bench | vm) ;;
    *)
        echo "deps.sh: no set \"$set\" (build, lab, test, bench, lint, vm)" >&2
        exit 2
        ;;
    esac
    for package in ${!set}; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed ||
            missing+=("$package")
    done
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "deps.sh: these packages are missing, and only root may install: ${missing[*]}" >&2
    exit 1
fi

# Daemons that come with packages (the registry) must not start on the host: the lab runs its
# own.  policy-rc.d is how Debian asks.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod 755 $policy
    trap 'rm -f $policy' EXIT
fi
printf '  %-7s installing %d packages: %s\n' DEPS ${#missing[@]} "${missing[*]}"
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get -q update && apt-get -q -y --no-install-recommends install "${missing[@]}"; } \
    > "$log" 2>&1; then
    tail -30 "$log" >&2
    echo "deps.sh: installing failed, see $log" >&2
    exit 1
fi
rm -f "$log"

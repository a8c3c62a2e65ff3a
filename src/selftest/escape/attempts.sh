# What a handler tries, a line for each attempt: `refused NAME WORDS`, `reached NAME WORDS` or `untried NAME WHY`.
# Everything that it is told comes as an argument; the last line says that it came to its end.
outside=$1 port=$2 home=$3 witness=$4 mark=$5 python=$6 work=$7 daemon=$8
shift 8
trap '' TERM

try() {
    name=$1
    shift
    if said=$("$@" 2>&1); then echo "reached $name"; else said=$(echo "$said" | head -n 1); said=${said##*: }; echo "refused $name ${said%.}"; fi
}
can() { command -v "$1" >/dev/null 2>&1; }
# Not /proc/self: that would be a shell of its own, behind the command substitution.
field() { while read -r key value rest; do [ "$key" = "$1:" ] && echo "$value"; done <"/proc/$$/status"; }
# is NAME VALUE HELD WORDS: refused where the value is the one that holds.
is() {
    if [ -z "$2" ]; then echo "untried $1 /proc cannot be read"; elif [ "$2" = "$3" ]; then echo "refused $1 $4"; else echo "reached $1 $2"; fi
}

try canary cat "$outside/canary"
if [ -n "$home" ]; then try home ls -A "$home"; else echo "untried home it is a folder of the system"; fi
try shadow cat /etc/shadow
try outside sh -c ': > "$0/written"' "$outside"
try system sh -c ': > /usr/dispatch-selftest || : > /etc/dispatch-selftest'
try snapshot sh -c ': > dispatch-selftest'
for space in mnt pid net ipc uts cgroup user; do echo "space $space $(readlink "/proc/self/ns/$space" 2>/dev/null)"; done

seen=$(grep -las "$mark" /proc/[0-9]*/cmdline 2>/dev/null)
if [ -n "$seen" ]; then echo "reached see"; else echo "refused see they are not in /proc"; fi
try signal sh -c 'kill -TERM "$0"' "$witness"

if can bash; then
    try loopback bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"' "$port"
elif [ -z "$python" ] || ! can python3; then
    echo "untried loopback there is neither bash nor python3"
fi
try hostname sh -c 'name=$(cat /proc/sys/kernel/hostname) && echo "$name" > /proc/sys/kernel/hostname'
try cgroupfs sh -c 'mkdir /sys/fs/cgroup/dispatch-selftest && rmdir /sys/fs/cgroup/dispatch-selftest'

uid=$(id -u)
if [ "$uid" = 0 ]; then echo "reached uid"; else echo "refused uid it is uid $uid"; fi
none=0000000000000000
held=
for set in CapInh CapPrm CapEff CapAmb; do
    value=$(field $set)
    if [ "$value" != $none ]; then held="$set $value"; fi
done
is capabilities "${held:-$(field CapEff)}" $none "all sets are empty"
is bounding "$(field CapBnd)" $none "the bounding set is empty"
is setuid-program "$(field NoNewPrivs)" 1 "no_new_privs is set"
is unfiltered "$(field Seccomp)" 2 "a filter is in force"
if can unshare; then try unshare unshare -U true; else echo "untried unshare there is no unshare"; fi
if can mount; then try mount mount -t tmpfs none /tmp; else echo "untried mount there is no mount"; fi
try device sh -c ': >> /dev/urandom'

core=$(ulimit -Hc)
if [ "$core" = 0 ]; then echo "refused core the limit is 0"; else echo "reached core $core"; fi
try descriptors-more sh -c 'ulimit -n 100000'
(dd if=/dev/zero of="$work/big" bs=65536 count=32) >/dev/null 2>&1
size=$(wc -c < "$work/big" 2>/dev/null || echo 0)
rm -f "$work/big"
if [ "$size" -gt 1048576 ]; then echo "reached file-size"; else echo "refused file-size it ended at $size bytes"; fi
one=/tmp/dispatch-selftest-$$.1 two=/tmp/dispatch-selftest-$$.2
(dd if=/dev/zero of="$one" bs=65536 count=12; dd if=/dev/zero of="$two" bs=65536 count=12) >/dev/null 2>&1
size=$(cat "$one" "$two" 2>/dev/null | wc -c)
rm -f "$one" "$two"
if [ "$size" -gt 1048576 ]; then echo "reached tmp"; else echo "refused tmp it ended at $size bytes"; fi

names=$(tr '\0' '\n' < "/proc/$$/environ" | cut -d= -f1 | sort | tr '\n' ' ')
is environment "${names% }" "LANG PATH" "only LANG and PATH"
# Looking opens the folder itself for a moment.
open=
for one in "/proc/$$/fd"/*; do case ${one##*/} in 0 | 1 | 2) ;; *) [ -L "$one" ] && open="$open ${one##*/}:$(readlink "$one")" ;; esac; done
if [ ! -r "/proc/$$/fd" ]; then
    echo "untried descriptors /proc cannot be read"
elif [ -z "$open" ]; then echo "refused descriptors only 0, 1 and 2"; else echo "reached descriptors$open"; fi

if [ -n "$python" ] && can python3; then
    python3 -I -c "$python" "$outside" "$port" "$mark" || echo "untried python it ended with $?"
else
    for name in abstract socket setuid keyctl io_uring bpf; do echo "untried $name there is no python3"; done
fi
for tool in "$@"; do can "$tool" || echo "missing $tool"; done

# A daemon that nobody waits for, and that holds no pipe of ours.
stay='trap "" TERM HUP; while :; do sleep 1; done'
if can setsid; then
    (setsid sh -c "$stay" "$daemon" </dev/null >/dev/null 2>&1 &)
else
    (sh -c "$stay" "$daemon" </dev/null >/dev/null 2>&1 &)
fi
echo done

# The table of docs/systemd.md on what a job may do: every line of it is tried in each sandbox.

declare -A tries=(
    ["write below \`/srv\`"]='touch /srv/test/written'
    ["write in a home folder of its user"]='touch /home/daemon/written'
    ["see what others put into \`/tmp\`"]='test -e /tmp/of-others'
    ["see devices"]='test -e /dev/hardware'
    ["see processes of other users"]='test -e /proc/1/comm'
    ["connect to this machine"]='curl --silent --fail --max-time 10 http://127.0.0.1:7878/healthz'
    ["connect to other machines"]='curl --silent --fail --max-time 10 http://192.0.2.1:9000/'
    ["make user namespaces (containers without root)"]='unshare --user true'
    ["become root by \`sudo\`, if sudoers lets it"]='test "$(sudo --non-interactive id -u)" = 0'
    ["change \`/usr\` and \`/etc\` then"]='sudo --non-interactive sh -c "touch /usr/written /etc/written"'
)

prepare_sandbox() {
    put /tmp/of-others <<<"something"
    put /home/daemon/mine 0600 punctual:punctual <<<"something"
    on chown punctual: /home/daemon
    put /etc/sudoers.d/daemon 0440 <<<'punctual ALL=(root) NOPASSWD: ALL'
    # Another machine, as far as filters can tell.
    nsenter --target "$(tests/systemd/machine pid "$folder")" --net ip address add 192.0.2.1/32 dev lo
    put /run/systemd/system/elsewhere.socket <<<$'[Socket]\nListenStream=192.0.2.1:9000\nAccept=yes'
    put /run/systemd/system/elsewhere@.service <<'UNIT'
[Service]
StandardInput=socket
StandardOutput=socket
ExecStart=sh -c 'sed "/^.$/q" >/dev/null; printf "HTTP/1.0 200 OK\\r\\n\\r\\nhello\\n"'
UNIT
    on systemctl daemon-reload
    on systemctl start elsewhere.socket
    on curl --silent --fail --max-time 10 http://192.0.2.1:9000/
    local number=0 what
    for what in "${!tries[@]}"; do
        number=$((number + 1))
        printf "[jobs.%s]\nevery = '1000d'\nshell = '''%s'''\n" "$(job_for "$what")" "${tries[$what]}"
    done | put /etc/punctual/conf.d/sandbox.toml 0640 root:punctual
    punctual reload
}
job_for() { tr -cs 'a-z\n' '-' <<<"try-$1" | cut -c1-40 | sed 's/-*$//'; }
step "a place to try sandboxes in" prepare_sandbox

# in_sandbox COLUMN [FILE]: each line of the table, in the column of this sandbox.
in_sandbox() {
    local column=$1 cells what expected seen lines=0 wrong=0
    no_settings
    [ -z "${2:-}" ] || settings sandbox <"$2"
    on systemctl restart punctual
    while IFS='|' read -r -a cells; do
        what=$(sed 's/^ *//; s/ *$//' <<<"${cells[1]}")
        expected=$(tr -d ' *' <<<"${cells[$column]}")
        case $what in
        "a job may"* | ---*) continue ;;
        "\`systemd-analyze security\`") seen=$(on systemd-analyze security --no-pager punctual.service | sed -n 's/.*service: \([0-9.]*\).*/\1/p') ;;
        *)
            [ -n "${tries[$what]:-}" ] || fail "nobody tries this line: $what"
            seen=no
            punctual trigger --wait "$(job_for "$what")" && seen=yes
            ;;
        esac
        lines=$((lines + 1))
        [ "$seen" = "$expected" ] || { echo "$what: $seen, and the table says $expected"; wrong=1; }
    done < <(sed -n '/^| a job may/,/^$/p' docs/systemd.md | grep '^|')
    [ "$lines" = $((${#tries[@]} + 1)) ] || fail "the table has $lines lines; $((${#tries[@]} + 1)) are tried"
    [ "$wrong" = 0 ]
}
step "the sandbox of the unit lets jobs do what the documentation says" in_sandbox 2
step "the tight one likewise" in_sandbox 3 systemd/examples/tight.conf

still_limits() {
    jobs_of limits <<'TOML'
[jobs.limited]
every = "1000d"
nice = 5
limits = { open_files = 99 }
shell = 'echo "$(nice) $(ulimit -n)"'
TOML
    is "what it has" "$(punctual trigger --wait limited)" "5 99"
}
step "in the tight one jobs have their limits and niceness all the same" still_limits
step "the open one likewise" in_sandbox 4 systemd/examples/open.conf

other_users() {
    no_settings
    settings other-users <systemd/examples/other-users.conf
    on systemctl restart punctual
    jobs_of users <<'TOML'
[jobs.of-games]
every = "1000d"
user = "games"
nice = -5
shell = 'echo "$(id -un) $(id -gn) $(nice)"'
TOML
    is "who it is" "$(punctual trigger --wait of-games)" "games games -5"
    on rm /etc/punctual/conf.d/users.toml
    no_settings
    # What root has written, the other may not.
    on sh -ec 'systemctl stop punctual; chown -R punctual: /var/lib/punctual /run/punctual; systemctl start punctual'
    answers /readyz
}
step "with other-users.conf jobs run as the users that they name" other_users

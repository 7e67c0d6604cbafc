# The package on a machine that never had it.

installs() {
    on cp /root/punctual.deb /root/punctual_0.1.0-1_amd64.deb
    # It has no network: what it needs beside is there, or it cannot be installed.
    said=$(follow "$(manual docs/operations.md Install sh)" 2>&1)
    has "what it says" "$said" 'The configuration has no jobs'
    is "what dpkg finds changed" "$(on dpkg --verify punctual)" ""
    unit_is ActiveState active
    is "the service" "$(on systemctl is-enabled punctual.service)" enabled
    is "the socket" "$(on systemctl is-enabled punctual.socket || true)" disabled
}
step "the package installs, and the daemon runs and is enabled" installs

root_asks() {
    punctual jobs
    punctual status
    is "the ledger" "$(punctual audit >/dev/null && echo whole)" whole
}
step "root asks at once, without a token" root_asks

files() {
    local file
    mode() { on stat --format='%a %U %G' "$1"; }
    is "the mode of the config" "$(mode /etc/punctual/config.toml)" "640 root punctual"
    is "the mode of its folder" "$(mode /etc/punctual)" "750 root punctual"
    is "the mode of conf.d" "$(mode /etc/punctual/conf.d)" "750 root punctual"
    is "the mode of the state" "$(mode /var/lib/punctual)" "700 punctual punctual"
    is "the mode of the socket" "$(mode /run/punctual/punctual.sock)" "660 punctual punctual"
    has "the user" "$(on getent passwd punctual)" ':/var/lib/punctual:/usr/sbin/nologin$'
    for file in /usr/share/man/man1/punctual{,-serve,-db-backup}.1.gz \
        /usr/share/bash-completion/completions/punctual \
        /usr/share/zsh/vendor-completions/_punctual \
        /usr/share/fish/vendor_completions.d/punctual.fish \
        /usr/share/doc/punctual/{README.md,copyright,changelog.gz,changelog.Debian.gz} \
        /usr/share/doc/punctual/docs/{systemd,operations}.md \
        /usr/share/doc/punctual/{config/reference.toml,systemd/config.toml,CONTRIBUTING.md,LICENSE-MIT} \
        /usr/share/doc/punctual/third-party-licences.gz \
        /usr/share/doc/punctual/examples/{tight,open,other-users}.conf; do
        on test -s "$file" || fail "$file is missing"
    done
    on bash -n /usr/share/bash-completion/completions/punctual
    punctual check --config /etc/punctual/config.toml
}
step "its files are where they belong, with the rights that they should have" files

others() {
    refused on setpriv --reuid=nobody --clear-groups cat /etc/punctual/config.toml
    refused on setpriv --reuid=nobody --regid=nogroup --clear-groups \
        punctual jobs --server unix:/run/punctual/punctual.sock
    refused on curl --silent --fail http://127.0.0.1:7878/api/v1/jobs
    on curl --silent --fail http://127.0.0.1:7878/healthz
}
step "others read no config and get no answer without a token" others

verified() {
    is "what systemd-analyze says" \
        "$(on systemd-analyze verify punctual.service punctual.socket 2>&1)" ""
}
step "systemd-analyze verify has nothing to say" verified

secure() {
    on systemd-analyze security --no-pager punctual.service | tail -1 >"$folder/score"
    on systemd-analyze security --threshold=40 punctual.service
}
step "systemd-analyze security: 4.0 at most" secure
sed 's/^/      /' "$folder/score"

# For the steps to come: jobs that do not wait long for a stop.
on sh -ec 'printf "\n[scheduler]\nshutdown_grace = \"2s\"\n" >>/etc/punctual/config.toml'

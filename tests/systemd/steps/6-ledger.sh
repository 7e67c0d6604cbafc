# Backup and restore, in the words of docs/operations.md.

backup() {
    jobs_of ledger <<'TOML'
[jobs.backup-ledger]
every = "1000d"
shell = 'punctual db backup /var/backups/punctual/copy.db'
[jobs.note]
every = "1000d"
command = ["true"]
TOML
    on install -d -o punctual -g punctual -m 0700 /var/backups/punctual
    punctual trigger --wait note
    punctual trigger --wait backup-ledger
    is "the mode of the copy" "$(on stat --format='%a %U' /var/backups/punctual/copy.db)" "600 punctual"
    punctual db check
    punctual db check --ledger /var/backups/punctual/copy.db
}
step "the ledger is copied by a job, inside the sandbox" backup

restore() {
    local before after
    # Not in the copy.
    after=$(trigger note)
    within 10 status_is "$after" succeeded
    before=$(punctual runs --job note --json | jq -r '.items[1].id')
    on systemctl stop punctual
    refused punctual db check --ledger /var/lib/punctual/missing.db
    # In the middle of it there is nothing that could be taken for a ledger.
    on sh -ec 'printf damaged | dd of=/var/lib/punctual/punctual.db conv=notrunc status=none'
    refused on systemctl start punctual
    has "the journal" "$(journal)" 'restore it from a backup'
    on systemctl stop punctual
    on sh -ec 'cd /var/lib/punctual; rm -f punctual.db punctual.db-wal punctual.db-shm
        install -m 0600 -o punctual -g punctual /var/backups/punctual/copy.db punctual.db'
    on systemctl start punctual
    status_is "$before" succeeded
    refused punctual run "$after"
    punctual audit
    on rm -r /var/backups/punctual
}
step "a damaged ledger is refused; the copy in its place goes on" restore

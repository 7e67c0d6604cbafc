//! `[server]`: where the API listens and who may speak to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::Ground;
use super::fields::Fields;
use super::report::{Complaints, Problem, Report};
use super::shape;
use super::tree::{Node, Written};
use super::value;

/// The longest path of a Unix socket that Linux binds.
const MAX_SOCKET_PATH: usize = 107;

/// The most addresses, host names or tokens.
const MAX_LIST: usize = 1_000;

/// The longest name of a token, in characters.
const MAX_TOKEN_NAME: usize = 64;

/// Where the API listens and who may speak to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// TCP addresses; none: no TCP.
    pub listen: Vec<SocketAddr>,
    /// The Unix socket.
    pub unix_socket: PathBuf,
    /// Its permission bits.
    pub unix_socket_mode: u32,
    /// Whether TCP clients need a token.
    pub auth: Auth,
    /// Further names that a request's `Host` may have.
    pub allowed_hosts: Vec<String>,
    /// Who may speak, over TCP or the socket.
    pub tokens: Vec<Token>,
}

/// How TCP clients show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// With a token of the config.
    Token,
    /// Not at all; only on loopback addresses.
    None,
}

/// A token of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// For the log: who did it.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// What it may do.
    pub role: Role,
    /// The jobs it sees and steers, as patterns in which `*` stands for any characters; none: all.
    pub jobs: Option<Vec<String>>,
}

/// What a token may do; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read.
    Viewer,
    /// Trigger, pause, resume and cancel.
    Operator,
    /// Reload, and pause everything.
    Admin,
}

impl Role {
    /// Their names, in the config and everywhere.
    const NAMES: [(&str, Self); 3] = [
        ("viewer", Self::Viewer),
        ("operator", Self::Operator),
        ("admin", Self::Admin),
    ];

    /// The role of a name, or a sentence that says which there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        let role = found.map(|&(_, role)| role);
        role.ok_or_else(|| "a role is one of viewer, operator and admin".to_owned())
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

pub(super) fn read(
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Server {
    let listen = listen(fields, complaints);
    let auth = fields.choice(
        "auth",
        &[("token", Auth::Token), ("none", Auth::None)],
        complaints,
    );
    let auth = auth.unwrap_or(Auth::Token);
    if auth == Auth::None {
        let place = fields.node("auth").map(|node| node.place);
        for (node, address) in listen
            .iter()
            .filter(|(_, address)| !address.ip().is_loopback())
        {
            let sentence = format!(
                "with `auth = \"none\"` the API may listen on loopback addresses only, and {address} \
                 is not one"
            );
            let mut problem = Problem::at(*node, sentence)
                .help("use `auth = \"token\"`, or listen on 127.0.0.1 or [::1]");
            if let Some(place) = place {
                problem = problem.also(place, "authentication is turned off here");
            }
            complaints.error(problem);
        }
    }
    let default = || SocketAddr::from(([127, 0, 0, 1], super::DEFAULT_PORT));
    let written = fields.node("listen").is_some();
    let listen: Vec<_> = listen.into_iter().map(|(_, address)| address).collect();
    let unix_socket_mode = fields.node("unix_socket_mode");
    let mode = unix_socket_mode.and_then(|n| shape::mode("unix_socket_mode", 0o777, n, complaints));
    Server {
        listen: if written { listen } else { vec![default()] },
        unix_socket: socket(fields, ground, complaints),
        unix_socket_mode: mode.unwrap_or(0o660),
        auth,
        allowed_hosts: hosts(fields, complaints),
        tokens: tokens(fields, complaints),
    }
}

fn listen(
    fields: &mut Fields<'_>,
    complaints: &mut Complaints,
) -> Vec<(super::report::Place, SocketAddr)> {
    let mut addresses = Vec::new();
    for (node, text) in fields.texts("listen", complaints).unwrap_or_default() {
        match text.parse::<SocketAddr>() {
            Ok(address) if addresses.iter().any(|&(_, other)| other == address) => complaints
                .error(Problem::at(
                    node.place,
                    format!("{address} stands here a second time"),
                )),
            Ok(address) => addresses.push((node.place, address)),
            Err(_) => complaints.error(
                Problem::at(node.place, "`listen` is an IP address and a port")
                    .help("such as \"127.0.0.1:7878\" or \"[::1]:7878\""),
            ),
        }
        if addresses.len() > MAX_LIST {
            complaints.error(Problem::at(node.place, "there are too many addresses"));
            break;
        }
    }
    addresses
}

fn socket(fields: &mut Fields<'_>, ground: &Ground<'_>, complaints: &mut Complaints) -> PathBuf {
    let node = fields.node("unix_socket");
    let written = node.and_then(|node| Some((node, value::text("unix_socket", node, complaints)?)));
    let path = match written {
        Some((node, "")) => {
            complaints.error(Problem::at(node.place, "`unix_socket` must not be empty"));
            return PathBuf::new();
        }
        Some((_, text)) => ground.path(text),
        None => match default_socket(ground, complaints) {
            Some(path) => path,
            None => return PathBuf::new(),
        },
    };
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        let sentence = format!(
            "the path of the Unix socket, {}, has {length} bytes; {MAX_SOCKET_PATH} are the most \
             that Linux takes",
            path.display()
        );
        let problem = match written {
            Some((node, _)) => Problem::at(node.place, sentence),
            None => Problem::of(ground.file, sentence).help("set a shorter `server.unix_socket`"),
        };
        complaints.error(problem);
    }
    path
}

fn default_socket(ground: &Ground<'_>, complaints: &mut Complaints) -> Option<PathBuf> {
    let folder = ground.environment.runtime_folder();
    if folder.is_none() {
        complaints.error(
            Problem::of(ground.file, "there is no folder for the Unix socket")
                .help("set $XDG_RUNTIME_DIR, $HOME or `server.unix_socket`"),
        );
    }
    Some(folder?.join("punctual.sock"))
}

fn hosts(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<String> {
    let mut hosts = Vec::new();
    for (node, host) in fields
        .texts("allowed_hosts", complaints)
        .unwrap_or_default()
    {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        // As of the names that requests have.
        let host = host.strip_suffix('.').unwrap_or(host);
        if host.is_empty() || !host.chars().all(plain) {
            complaints.error(
                Problem::at(
                    node.place,
                    "`allowed_hosts` are host names without scheme or port",
                )
                .help("such as \"punctual.example.org\""),
            );
        } else {
            hosts.push(host.to_ascii_lowercase());
        }
    }
    hosts
}

fn tokens(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Vec<Token> {
    let Some(node) = fields.node("tokens") else {
        return Vec::new();
    };
    let Written::List(items) = &node.value else {
        complaints.error(
            Problem::at(node.key, "`tokens` is a list of tables")
                .help("write [[server.tokens]], with two brackets, above each token"),
        );
        return Vec::new();
    };
    if items.len() > MAX_LIST {
        complaints.error(Problem::at(node.key, "there are too many tokens"));
        return Vec::new();
    }
    let mut names = BTreeMap::new();
    let mut hashes = BTreeMap::new();
    let mut tokens = Vec::new();
    for item in items {
        let Written::Table(table) = &item.value else {
            value::mistaken(item, "a token is a table", complaints);
            continue;
        };
        let mut fields = Fields::over(vec![table]);
        if let Some(node) = fields.node("name")
            && let Written::Text(name) = &node.value
            && let Some(first) = names.insert(name.as_str(), node.place)
        {
            complaints.error(
                Problem::at(node.place, format!("a second token is named {name:?}"))
                    .also(first, "the first is here")
                    .help("the log tells tokens apart by their names: rename one of the two"),
            );
        }
        let hash = fields.node("hash");
        let hash = hash.and_then(|node| Some((node.place, hash_in(node, complaints)?)));
        if let Some((place, hash)) = hash
            && let Some(first) = hashes.insert(hash, place)
        {
            complaints.error(
                Problem::at(place, "a second token has this hash")
                    .also(first, "the first is here")
                    .help("nothing tells the two apart: make another with `punctual token new`"),
            );
        }
        let hash = hash.map(|(_, hash)| hash);
        tokens.extend(token(&mut fields, hash, item, complaints));
        fields.finish(complaints);
    }
    tokens
}

fn token(
    fields: &mut Fields<'_>,
    hash: Option<[u8; 32]>,
    item: &Node,
    complaints: &mut Complaints,
) -> Option<Token> {
    for key in ["name", "hash", "role"] {
        if fields.node(key).is_none() {
            complaints.doubtful(
                Problem::at(item.place, format!("a token needs a `{key}`")).help(
                    "such as { name = \"deploy\", hash = \"sha256:…\", role = \"operator\" }",
                ),
            );
        }
    }
    let name = fields.text("name", complaints);
    let fits = |name: &str| {
        (1..=MAX_TOKEN_NAME).contains(&name.chars().count()) && !name.contains(char::is_control)
    };
    if name.is_some_and(|name| !fits(name)) {
        let place = fields.node("name").map_or(item.place, |node| node.place);
        let sentence =
            format!("the `name` of a token has 1 to {MAX_TOKEN_NAME} characters that can be seen");
        complaints.error(Problem::at(place, sentence).help("such as \"deploy\""));
    }
    let role = fields.choice("role", &Role::NAMES, complaints);
    let jobs = fields.texts("jobs", complaints).map(|jobs| {
        for (node, pattern) in &jobs {
            let allowed = |c: char| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '*')
            };
            if pattern.is_empty() || !pattern.chars().all(allowed) {
                complaints.error(
                    Problem::at(node.place, "this is no pattern for job names")
                        .help("such as \"backup-*\"; `*` stands for any characters"),
                );
            }
        }
        jobs.into_iter()
            .map(|(_, pattern)| pattern.to_owned())
            .collect()
    });
    Some(Token {
        name: name?.to_owned(),
        hash: hash?,
        role: role?,
        jobs,
    })
}

fn hash_in(node: &Node, complaints: &mut Complaints) -> Option<[u8; 32]> {
    let text = value::text("hash", node, complaints)?;
    let hash = text.strip_prefix("sha256:").and_then(|digits| {
        let digits = digits.as_bytes();
        let nibble = |b: u8| {
            char::from(b)
                .to_digit(16)
                .and_then(|n| u8::try_from(n).ok())
        };
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        (digits.len() == 64).then_some(hash)
    });
    if hash.is_none() {
        complaints.error(
            Problem::at(
                node.place,
                "`hash` is \"sha256:\" and 64 hexadecimal digits",
            )
            .help("`printf %s \"$TOKEN\" | sha256sum` prints the digits"),
        );
    }
    let hash = hash?;
    if hash == crate::token::digest(b"") {
        complaints.error(
            Problem::at(node.place, "this is the hash of nothing, not of a token")
                .help("$TOKEN was empty when it was made; make one with `punctual token new`"),
        );
        return None;
    }
    Some(hash)
}

/// The lines of a config that make a token known by its `hash` (`sha256:…`), or why a config would
/// refuse them.
pub fn token_lines(name: &str, hash: &str, role: Role, jobs: &[String]) -> Result<String, Report> {
    let mut token = toml::Table::new();
    token.insert("name".to_owned(), name.into());
    token.insert("hash".to_owned(), hash.into());
    token.insert("role".to_owned(), role.as_str().into());
    if !jobs.is_empty() {
        token.insert("jobs".to_owned(), jobs.to_vec().into());
    }
    let lines = format!("[[server.tokens]]\n{token}");
    let mut complaints = Complaints::default();
    let root = super::syntax::read(0, &lines, &mut complaints);
    if let Some(server) = root.entries.get("server")
        && let Written::Table(server) = &server.value
    {
        tokens(&mut Fields::over(vec![server]), &mut complaints);
    }
    let source = super::report::Source {
        path: Path::new("a token").into(),
        text: lines.as_str().into(),
    };
    complaints.verdict(&[source]).map(|_| lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_a_token_are_those_that_a_config_takes() {
        let hash = crate::token::written(&[7; 32]);
        let lines = |name: &str, jobs: &[&str]| {
            let jobs: Vec<String> = jobs.iter().map(ToString::to_string).collect();
            token_lines(name, &hash, Role::Operator, &jobs)
        };
        let text = lines("de\"ploy\\ 1", &["backup-*", "a"]).unwrap();
        let whole =
            format!("{text}[jobs.a]\nevery = '1h'\nshell = ':'\n[store]\nurl = 'sqlite:/x'\n");
        let environment = crate::config::Environment::of_process();
        let config = crate::config::parse(std::path::Path::new("/x"), &whole, &environment);
        let expected = Token {
            name: "de\"ploy\\ 1".to_owned(),
            hash: [7; 32],
            role: Role::Operator,
            jobs: Some(vec!["backup-*".to_owned(), "a".to_owned()]),
        };
        assert_eq!(config.unwrap().server.tokens, [expected]);
        let why =
            |name: &str, jobs: &[&str]| lines(name, jobs).unwrap_err().problems().remove(0).message;
        assert!(why("a", &["UPPER"]).contains("no pattern"));
        for name in ["", "a\nb", "\u{7}", &"x".repeat(65)] {
            assert!(why(name, &[]).contains("1 to 64 characters"), "{name:?}");
        }
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for (name, role) in Role::NAMES {
            assert_eq!((Role::named(name), role.as_str()), (Ok(role), name));
        }
        assert!(Role::named("root").is_err());
    }
}

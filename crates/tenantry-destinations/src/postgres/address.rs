//! `postgres://USER@HOST:PORT/DATABASE?…`: what it names, and what the surroundings add (user, password, TLS).
//!
//! Refuses a password in the URL, as URLs end up in process lists, shell histories and reports. Connects to nothing, reads no file.

use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tenantry_replication::source::auth0::Secret;
use url::Url;

use crate::Surroundings;

/// Variables that are heeded, as by PostgreSQL's own tools.
pub const VARIABLES: [&str; 4] = ["PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT"];
/// The port where none is named.
const PORT: u16 = 5432;

/// A database on a server, and how it is reached.
#[derive(Debug, Clone)]
pub struct Address {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) password: Option<Secret>,
    pub(super) tls: Tls,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// Name or address.
    Network(String),
    /// Folder of its Unix socket.
    Socket(PathBuf),
}

/// How the connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not at all: this machine itself, or by the user's word.
    Disabled,
    /// Encrypted, to a server whose certificate is signed by one of these.
    Verified {
        /// Whether the certificate must be that of the host that was asked for.
        name: bool,
        /// File with the certificates of those who sign; the system's own when `None`.
        roots: Option<PathBuf>,
    },
}

impl Address {
    /// Reads a URL. An error is a sentence for people that tells nothing secret.
    pub fn parse(url: &str, surroundings: &Surroundings) -> Result<Self, String> {
        // A user without a host is for sockets, which the general form of a URL does not know.
        let url = url.replacen("@/", &format!("@{NO_HOST}/"), 1).replacen("@:", &format!("@{NO_HOST}:"), 1);
        let parsed = Url::parse(&url).map_err(|error| format!("it is no URL: {error}"))?;
        if parsed.password().is_some() {
            return Err(PASSWORD.to_owned());
        }
        let mut said = Said::default();
        for (name, value) in parsed.query_pairs() {
            said.take(&name, value.into_owned())?;
        }
        let host = parsed.host_str().filter(|host| !["", NO_HOST].contains(host));
        let host = match (host, said.host) {
            (Some(_), Some(_)) => return Err("it names a host twice".to_owned()),
            (Some(host), None) => named(&decoded(host)?),
            (None, Some(host)) => named(&host),
            (None, None) => return Err(format!("it names no host: {FORM}")),
        };
        let user = Some(decoded(parsed.username())?).filter(|user| !user.is_empty());
        let user = user.or_else(|| surroundings.get("PGUSER").map(str::to_owned));
        let user = user.ok_or_else(|| format!("it names no user, and PGUSER is not set: {FORM}"))?;
        let database = decoded(parsed.path().trim_start_matches('/'))?;
        if database.is_empty() || database.contains('/') {
            return Err(format!("it names no database: {FORM}"));
        }
        let mode = said.mode.or_else(|| surroundings.get("PGSSLMODE").map(str::to_owned));
        let roots = said.roots.or_else(|| surroundings.get("PGSSLROOTCERT").map(str::to_owned));
        let tls = tls(&host, mode.as_deref(), roots)?;
        let password = surroundings.get("PGPASSWORD").map(Secret::new);
        Ok(Self { host, port: parsed.port().unwrap_or(PORT), user, database, password, tls })
    }

    /// The same with a password out of the text of a password file, where that has one and none is known yet.
    ///
    /// A line of the file is `HOST:PORT:DATABASE:USER:PASSWORD`; `*` stands for anything, and a backslash before `:` or `\` takes it as it is.
    pub fn password_from(&self, file: &str) -> Option<Secret> {
        let host = match &self.host {
            Host::Network(host) => host.as_str(),
            Host::Socket(_) => "localhost",
        };
        let wanted = [host, &self.port.to_string(), &self.database, &self.user];
        let lines = file.lines().filter(|line| !line.starts_with('#'));
        lines.map(fields).find_map(|fields| {
            let [parts @ .., password] = fields.as_slice() else { return None };
            let fits = parts.len() == wanted.len()
                && parts.iter().zip(wanted).all(|(part, wanted)| part == "*" || part == wanted);
            fits.then(|| Secret::new(password.as_str()))
        })
    }

    /// What people know it by.
    pub(super) fn name(&self) -> String {
        let place = match &self.host {
            Host::Network(host) => format!("{host}:{}", self.port),
            Host::Socket(folder) => folder.display().to_string(),
        };
        format!("database {} at {place}", self.database)
    }
}

/// Stands for no host.
const NO_HOST: &str = ".";
/// What a URL has to look like.
const FORM: &str = "it must look like postgres://USER@HOST/DATABASE";
const PASSWORD: &str = "a password does not belong into a URL, where process lists and shell histories show it: take it out, and set \
                        PGPASSWORD, PGPASSWORD_FILE or a line in ~/.pgpass";

/// What stands after the question mark.
#[derive(Default)]
struct Said {
    host: Option<String>,
    mode: Option<String>,
    roots: Option<String>,
}

impl Said {
    fn take(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "host" => self.host = Some(value),
            "sslmode" => self.mode = Some(value),
            "sslrootcert" => self.roots = Some(value),
            "password" | "sslpassword" | "passfile" => return Err(PASSWORD.to_owned()),
            other => {
                return Err(format!(
                    "it says `{other}`, which is not heeded: host, sslmode and sslrootcert are"
                ));
            }
        }
        Ok(())
    }
}

fn named(host: &str) -> Host {
    if host.starts_with('/') {
        return Host::Socket(PathBuf::from(host));
    }
    Host::Network(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| "it is not UTF-8 text".to_owned())
}

impl Host {
    /// Whether what is sent to it stays on this machine.
    fn is_here(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Network(host) => {
                host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            }
        }
    }
}

/// Everything that is not on this machine is verified in full, unless somebody wrote down that it is not.
fn tls(host: &Host, mode: Option<&str>, roots: Option<String>) -> Result<Tls, String> {
    let roots = roots.filter(|roots| roots != "system").map(PathBuf::from);
    match mode {
        _ if matches!(host, Host::Socket(_)) => Ok(Tls::Disabled),
        None if host.is_here() && roots.is_none() => Ok(Tls::Disabled),
        Some("disable") => Ok(Tls::Disabled),
        None | Some("verify-full") => Ok(Tls::Verified { name: true, roots }),
        Some("verify-ca") => Ok(Tls::Verified { name: false, roots }),
        Some(mode @ ("allow" | "prefer" | "require")) => Err(format!(
            "sslmode={mode} does not tell whose server it is: use verify-full (with sslrootcert=FILE for an authority of your own), \
             verify-ca, or disable"
        )),
        Some(_) => Err("sslmode must be verify-full, verify-ca or disable".to_owned()),
    }
}

/// Fields of a line of a password file.
fn fields(line: &str) -> Vec<String> {
    let (mut done, mut field) = (Vec::new(), String::new());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => field.extend(characters.next()),
            // Behind the fourth the password begins, and goes to the end of the line.
            ':' if done.len() < 4 => done.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    done.push(field);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(variables: &[(&str, &str)]) -> Surroundings {
        Surroundings::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn parse(url: &str) -> Address {
        Address::parse(url, &Surroundings::default()).unwrap()
    }

    fn refusal(url: &str) -> String {
        Address::parse(url, &Surroundings::default()).unwrap_err()
    }

    #[test]
    fn everything_that_a_url_says_is_taken() {
        let address = parse("postgresql://us%40er@db.example.com:6432/ware%20house?sslmode=disable");
        assert_eq!(address.host, Host::Network("db.example.com".to_owned()));
        assert_eq!(
            (address.port, address.user.as_str(), address.database.as_str()),
            (6432, "us@er", "ware house")
        );
        assert_eq!(address.tls, Tls::Disabled);
        let socket = parse("postgres://me@/warehouse?host=/run/postgresql");
        assert_eq!((socket.host, socket.port), (Host::Socket("/run/postgresql".into()), 5432));
        assert_eq!(parse("postgres://me@:6432/w?host=/run").port, 6432);
        assert_eq!(parse("postgres://me@%2Frun%2Fpostgresql/w").host, Host::Socket("/run/postgresql".into()));
        assert_eq!(parse("postgres://me@[::1]/w").host, Host::Network("::1".to_owned()));
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        for url in [
            "postgres://me:canary@h/w",
            "postgres://me@h/w?password=canary",
            "postgres://me:@h/w?sslpassword=canary",
        ] {
            let refusal = refusal(url);
            assert!(refusal.contains("PGPASSWORD") && !refusal.contains("canary"), "{refusal}");
        }
        assert!(refusal("postgres://h/w").contains("no user"));
        assert!(refusal("postgres://me@h").contains("no database"));
        assert!(refusal("postgres://me@h/w?sslmod=disable").contains("`sslmod`"));
    }

    #[test]
    fn other_machines_are_verified_unless_somebody_wrote_otherwise() {
        let full = Tls::Verified { name: true, roots: None };
        assert_eq!(parse("postgres://me@db.example.com/w").tls, full);
        assert_eq!(parse("postgres://me@10.0.0.1/w").tls, full);
        for here in ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"] {
            assert_eq!(parse(&format!("postgres://me@{here}/w")).tls, Tls::Disabled, "{here}");
            assert_eq!(parse(&format!("postgres://me@{here}/w?sslmode=verify-full")).tls, full, "{here}");
        }
        let own = parse("postgres://me@h/w?sslrootcert=/etc/ca.pem&sslmode=verify-ca").tls;
        assert_eq!(own, Tls::Verified { name: false, roots: Some("/etc/ca.pem".into()) });
        for weak in ["allow", "prefer", "require"] {
            assert!(refusal(&format!("postgres://me@h/w?sslmode={weak}")).contains("verify-full"));
        }
        let of = |mode| Address::parse("postgres://me@h/w", &surroundings(&[("PGSSLMODE", mode)]));
        assert_eq!(of("disable").unwrap().tls, Tls::Disabled);
        assert!(of("off").unwrap_err().contains("sslmode must be"));
    }

    #[test]
    fn user_and_password_come_from_the_surroundings() {
        let surroundings = surroundings(&[("PGUSER", "me"), ("PGPASSWORD", "canary")]);
        let address = Address::parse("postgres://h/w", &surroundings).unwrap();
        assert_eq!(address.user, "me");
        assert_eq!(address.password.as_ref().map(Secret::expose), Some("canary"));
        assert!(!format!("{address:?} {surroundings:?}").contains("canary"));
    }

    #[test]
    fn a_password_file_is_read_as_by_the_vendors_own_tools() {
        let file = "# db.example.com:5432:w:me:comment\nother:*:*:*:no\ndb.example.com:5432:w:me:it\\:s \\\\ a:b\n*:*:*:*:any\n";
        let of = |url: &str| parse(url).password_from(file).map(|found| found.expose().to_owned());
        assert_eq!(of("postgres://me@db.example.com/w").as_deref(), Some("it:s \\ a:b"));
        assert_eq!(of("postgres://you@db.example.com/w").as_deref(), Some("any"));
        let socket = parse("postgres://me@/w?host=/run");
        assert_eq!(socket.password_from("localhost:5432:w:me:here").unwrap().expose(), "here");
        assert!(socket.password_from("localhost:5432:w:me\nlocalhost:1:w:me:x").is_none());
    }
}

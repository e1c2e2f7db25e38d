//! Delta Lake tables in a bucket, over HTTPS, by the real command and its environment alone: a server from the outside speaks S3.
//!
//! It is installed by `make setup`; where it is absent the test says so and passes, unless `TENANTRY_REQUIRE_CLIENTS` is set.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tenantry_simulator::Config;

use crate::delta::python;
use crate::small;
use crate::world::World;

const SECRET: &str = "canary";
/// Makes the bucket, as soon as the server answers.
const MAKE_BUCKET: &str = "
import sys, time, boto3
for attempt in range(300):
    try:
        boto3.client('s3', endpoint_url=sys.argv[1], verify=sys.argv[2]).create_bucket(Bucket='lake')
        break
    except Exception as error:
        time.sleep(0.2)
else:
    raise SystemExit(repr(error))
";

/// A server that speaks S3 over HTTPS, with one bucket.
struct Server {
    process: Child,
    folder: TempDir,
    url: String,
}

impl Server {
    fn start(python: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = (folder.path().join("server.key"), folder.path().join("server.crt"));
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        assert!(openssl.output().unwrap().status.success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(python.with_file_name("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string(), "-c"])
            .arg(&certificate)
            .arg("-k")
            .arg(&key)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, folder, url: format!("https://localhost:{port}") };
        let mut bucket = Command::new(python);
        bucket.args(["-c", MAKE_BUCKET, &server.url]).arg(server.certificate());
        let made = bucket.envs(server.variables()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    /// What the environment says of the bucket.
    fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("AWS_ENDPOINT_URL", &self.url),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_command_writes_to_a_bucket_over_https_by_its_environment_alone() {
    let Some(python) = python() else { return };
    let server = Server::start(&python);
    let world = World::start(Config { users: 20, logs: 50, ..small() });
    let run = |arguments: &[&str], is_trusted: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command.args(arguments).args(["--destination", "delta:s3://lake/acme"]);
        command.current_dir(world.folder()).env_clear().envs(world.tenant()).envs(server.variables());
        if is_trusted {
            command.env("SSL_CERT_FILE", server.certificate());
        }
        command.output().unwrap()
    };
    let refused = run(&["status"], false);
    let complaint = said(&refused);
    assert_eq!(refused.status.code(), Some(5), "{complaint}");
    assert!(!complaint.contains("panicked") && !complaint.contains(SECRET), "{complaint}");

    let synced = run(&["sync", "--select", "client", "users", "--json"], true);
    assert_eq!(synced.status.code(), Some(0), "{}", said(&synced));
    let asked = "select count(*) as count from users where not _fivetran_deleted";
    let answered = run(&["sql", asked, "--format", "json"], true);
    let rows: Value =
        serde_json::from_slice(&answered.stdout).unwrap_or_else(|_| panic!("{}", said(&answered)));
    assert_eq!(rows[0]["count"], world.truth()["users"].len(), "{rows}");
}

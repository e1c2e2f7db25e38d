//! A Spark Connect server: what of its protocol it takes to have Parquet files read, joined and written by it.
//!
//! The messages that are needed of the protocol (`spark/connect/*.proto`, version 3.4 and later) are written down here. Crates with all of them translate
//! them with `protoc` while they are built, which cargo does not bring along.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tonic::client::Grpc;
use tonic::codec::Streaming;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use url::{Host, Url};
use uuid::Uuid;

use crate::failure::{Attempt, Failure};
use tenantry_replication::error::DestinationErrorKind;

/// Port of a server whose address names none.
const PORT: u16 = 15002;
/// What a client calls itself.
const CLIENT: &str = "tenantry";
/// Time to connect.
const CONNECTING_MAX: Duration = Duration::from_secs(20);
/// Time after which a server that says nothing is asked whether it is there, and that it then has.
const SILENT_MAX: Duration = Duration::from_secs(30);
/// Settings of a session: times as readers of every kind know them, and none moved to the calendar of before 1582.
const SETTINGS: &[(&str, &str)] = &[
    ("spark.sql.session.timeZone", "UTC"),
    ("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS"),
    ("spark.sql.parquet.datetimeRebaseModeInRead", "CORRECTED"),
    ("spark.sql.parquet.datetimeRebaseModeInWrite", "CORRECTED"),
];
const EXECUTE: &str = "/spark.connect.SparkConnectService/ExecutePlan";
const CONFIG: &str = "/spark.connect.SparkConnectService/Config";
const RELEASE: &str = "/spark.connect.SparkConnectService/ReleaseSession";

/// Where a server is, and what lets us in.
#[derive(Clone)]
pub(crate) struct Server {
    address: Url,
    encrypted: bool,
    token: Option<MetadataValue<Ascii>>,
}

impl fmt::Debug for Server {
    /// Without the token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.address)
    }
}

impl Server {
    /// Reads an address, `sc://HOST[:PORT][/;use_ssl=true|false]`. What is sent to another machine is encrypted unless the address says
    /// otherwise.
    pub(crate) fn parse(text: &str, token: Option<&str>) -> Attempt<Self> {
        let wrong = |why: &str| {
            let message = format!("a server that merges is told as sc://HOST[:PORT][/;use_ssl=true]: {why}");
            Failure::new(DestinationErrorKind::Unavailable, message)
        };
        let address = Url::parse(text).map_err(|_| wrong("it is no URL"))?;
        let host =
            address.host().filter(|_| address.scheme() == "sc").ok_or_else(|| wrong("it is another"))?;
        if address.password().is_some() || !address.username().is_empty() || address.query().is_some() {
            return Err(wrong("credentials do not belong into it"));
        }
        let is_here = match host {
            Host::Domain(name) => {
                name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            }
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let mut encrypted = !is_here;
        for setting in address.path().trim_start_matches('/').split(';').filter(|text| !text.is_empty()) {
            match setting.split_once('=') {
                Some(("use_ssl", "true")) => encrypted = true,
                Some(("use_ssl", "false")) => encrypted = false,
                Some(("token", _)) => {
                    return Err(wrong("a token is taken from SPARK_CONNECT_AUTHENTICATE_TOKEN, not from it"));
                }
                _ => return Err(wrong("behind the host only use_ssl is known")),
            }
        }
        if token.is_some() && !encrypted && !is_here {
            return Err(wrong("a token is not sent to another machine unencrypted"));
        }
        let bearer = |token| MetadataValue::try_from(format!("Bearer {token}"));
        let token =
            token.map(bearer).transpose().map_err(|_| wrong("the token has characters of no token"))?;
        Ok(Self { address, encrypted, token })
    }

    fn endpoint(&self) -> Attempt<Endpoint> {
        let scheme = if self.encrypted { "https" } else { "http" };
        let host = self.address.host_str().unwrap_or_default();
        let port = self.address.port().unwrap_or(PORT);
        let endpoint = Endpoint::from_shared(format!("{scheme}://{host}:{port}"))?
            .connect_timeout(CONNECTING_MAX)
            .http2_keep_alive_interval(SILENT_MAX)
            .keep_alive_timeout(SILENT_MAX);
        if self.encrypted {
            return Ok(endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?);
        }
        Ok(endpoint)
    }
}

/// A session with a server: what is called something in it is known to nobody else.
pub(crate) struct Session<'a> {
    server: &'a Server,
    channel: Channel,
    name: String,
}

impl<'a> Session<'a> {
    pub(crate) async fn begin(server: &'a Server) -> Attempt<Self> {
        let channel = server.endpoint()?.connect().await?;
        let session = Self { server, channel, name: Uuid::new_v4().to_string() };
        let pairs = SETTINGS
            .iter()
            .map(|(key, value)| wire::KeyValue { key: (*key).to_owned(), value: Some((*value).to_owned()) });
        let set = wire::ConfigRequest {
            session_id: session.name.clone(),
            user_context: Some(user()),
            operation: Some(wire::ConfigOperation { set: Some(wire::Set { pairs: pairs.collect() }) }),
            client_type: Some(CLIENT.to_owned()),
        };
        session.ask::<_, wire::Anything>(CONFIG, set).await?;
        Ok(session)
    }

    /// Calls the rows of some Parquet files `name`. With a schema, as JSON, a column that a file has not is NULL.
    pub(crate) async fn call(&self, name: &str, files: Vec<String>, schema: Option<String>) -> Attempt<()> {
        let source = wire::DataSource { format: Some("parquet".to_owned()), schema, paths: files };
        let read = wire::Relation { read: Some(wire::Read { data_source: Some(source) }), ..relation() };
        let view =
            wire::CreateView { input: Some(read), name: name.to_owned(), is_global: false, replace: true };
        self.execute(wire::Command { create_dataframe_view: Some(view), write_operation: None }).await
    }

    /// Writes the rows of a query to Parquet files in a folder that is not there yet.
    pub(crate) async fn write(&self, query: String, folder: String) -> Attempt<()> {
        let query = wire::Relation { sql: Some(wire::Sql { query }), ..relation() };
        let write = wire::WriteOperation {
            input: Some(query),
            source: Some("parquet".to_owned()),
            path: Some(folder),
            mode: wire::ERROR_IF_EXISTS,
            options: HashMap::from([("compression".to_owned(), "snappy".to_owned())]),
        };
        self.execute(wire::Command { write_operation: Some(write), create_dataframe_view: None }).await
    }

    /// Lets go of it, and of what it may still be doing.
    pub(crate) async fn end(self) {
        let release = wire::ReleaseRequest {
            session_id: self.name.clone(),
            user_context: Some(user()),
            client_type: Some(CLIENT.to_owned()),
        };
        // Not every server knows how to; they all let go of one that is not used.
        drop(self.ask::<_, wire::Anything>(RELEASE, release).await);
    }

    async fn execute(&self, command: wire::Command) -> Attempt<()> {
        let request = wire::ExecuteRequest {
            session_id: self.name.clone(),
            user_context: Some(user()),
            plan: Some(wire::Plan { command: Some(command) }),
            client_type: Some(CLIENT.to_owned()),
            operation_id: Some(Uuid::new_v4().to_string()),
        };
        let mut grpc = self.grpc().await?;
        let codec = ProstCodec::<_, wire::Anything>::default();
        let path = PathAndQuery::from_static(EXECUTE);
        let answer = grpc.server_streaming(self.request(request), path, codec).await?;
        let mut answers: Streaming<_> = answer.into_inner();
        while answers.message().await?.is_some() {}
        Ok(())
    }

    async fn ask<Q, A>(&self, path: &'static str, question: Q) -> Attempt<A>
    where
        Q: prost::Message + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        Ok(self.grpc().await?.unary(self.request(question), path, codec).await?.into_inner())
    }

    async fn grpc(&self) -> Attempt<Grpc<Channel>> {
        let mut grpc = Grpc::new(self.channel.clone());
        let refused = |error: tonic::transport::Error| Status::unavailable(error.to_string());
        grpc.ready().await.map_err(refused)?;
        Ok(grpc)
    }

    fn request<Q>(&self, question: Q) -> Request<Q> {
        let mut request = Request::new(question);
        if let Some(token) = &self.server.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }
}

fn relation() -> wire::Relation {
    wire::Relation { common: Some(wire::RelationCommon { plan_id: Some(0) }), read: None, sql: None }
}

fn user() -> wire::User {
    wire::User { user_id: CLIENT.to_owned() }
}

/// The messages, by the numbers of their fields. Of a choice only the ways that are taken are there.
mod wire {
    use std::collections::HashMap;

    use prost::Message;

    /// `SAVE_MODE_ERROR_IF_EXISTS`.
    pub(super) const ERROR_IF_EXISTS: i32 = 3;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ExecuteRequest {
        #[prost(string, tag = "1")]
        pub(super) session_id: String,
        #[prost(message, optional, tag = "2")]
        pub(super) user_context: Option<User>,
        #[prost(message, optional, tag = "3")]
        pub(super) plan: Option<Plan>,
        #[prost(string, optional, tag = "4")]
        pub(super) client_type: Option<String>,
        #[prost(string, optional, tag = "6")]
        pub(super) operation_id: Option<String>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct User {
        #[prost(string, tag = "1")]
        pub(super) user_id: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Plan {
        #[prost(message, optional, tag = "2")]
        pub(super) command: Option<Command>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Command {
        #[prost(message, optional, tag = "2")]
        pub(super) write_operation: Option<WriteOperation>,
        #[prost(message, optional, tag = "3")]
        pub(super) create_dataframe_view: Option<CreateView>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct WriteOperation {
        #[prost(message, optional, tag = "1")]
        pub(super) input: Option<Relation>,
        #[prost(string, optional, tag = "2")]
        pub(super) source: Option<String>,
        #[prost(string, optional, tag = "3")]
        pub(super) path: Option<String>,
        #[prost(int32, tag = "5")]
        pub(super) mode: i32,
        #[prost(map = "string, string", tag = "9")]
        pub(super) options: HashMap<String, String>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct CreateView {
        #[prost(message, optional, tag = "1")]
        pub(super) input: Option<Relation>,
        #[prost(string, tag = "2")]
        pub(super) name: String,
        #[prost(bool, tag = "3")]
        pub(super) is_global: bool,
        #[prost(bool, tag = "4")]
        pub(super) replace: bool,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Relation {
        #[prost(message, optional, tag = "1")]
        pub(super) common: Option<RelationCommon>,
        #[prost(message, optional, tag = "2")]
        pub(super) read: Option<Read>,
        #[prost(message, optional, tag = "10")]
        pub(super) sql: Option<Sql>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct RelationCommon {
        #[prost(int64, optional, tag = "2")]
        pub(super) plan_id: Option<i64>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Read {
        #[prost(message, optional, tag = "2")]
        pub(super) data_source: Option<DataSource>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct DataSource {
        #[prost(string, optional, tag = "1")]
        pub(super) format: Option<String>,
        #[prost(string, optional, tag = "2")]
        pub(super) schema: Option<String>,
        #[prost(string, repeated, tag = "4")]
        pub(super) paths: Vec<String>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Sql {
        #[prost(string, tag = "1")]
        pub(super) query: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ConfigRequest {
        #[prost(string, tag = "1")]
        pub(super) session_id: String,
        #[prost(message, optional, tag = "2")]
        pub(super) user_context: Option<User>,
        #[prost(message, optional, tag = "3")]
        pub(super) operation: Option<ConfigOperation>,
        #[prost(string, optional, tag = "4")]
        pub(super) client_type: Option<String>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ConfigOperation {
        #[prost(message, optional, tag = "1")]
        pub(super) set: Option<Set>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Set {
        #[prost(message, repeated, tag = "1")]
        pub(super) pairs: Vec<KeyValue>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct KeyValue {
        #[prost(string, tag = "1")]
        pub(super) key: String,
        #[prost(string, optional, tag = "2")]
        pub(super) value: Option<String>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ReleaseRequest {
        #[prost(string, tag = "1")]
        pub(super) session_id: String,
        #[prost(message, optional, tag = "2")]
        pub(super) user_context: Option<User>,
        #[prost(string, optional, tag = "3")]
        pub(super) client_type: Option<String>,
    }

    /// An answer of which only matters that it came.
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Anything {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_to_another_machine_is_encrypted() {
        for (address, encrypted) in [
            ("sc://127.0.0.1:50051", false),
            ("sc://localhost", false),
            ("sc://[::1]:1", false),
            ("sc://localhost/;use_ssl=true", true),
            ("sc://spark.example.com", true),
            ("sc://spark.example.com:443/;use_ssl=true", true),
            ("sc://spark.example.com/;use_ssl=false", false),
        ] {
            assert_eq!(Server::parse(address, None).unwrap().encrypted, encrypted, "{address}");
        }
    }

    #[test]
    fn no_secret_is_part_of_an_address_or_goes_out_in_clear() {
        for (address, token) in [
            ("sc://spark.example.com/;token=canary", None),
            ("sc://me:canary@spark.example.com", None),
            ("sc://spark.example.com/?token=canary", None),
            ("sc://spark.example.com/;use_ssl=false", Some("canary")),
            ("sc://spark.example.com", Some("canary\n")),
            ("https://spark.example.com", None),
            ("spark", None),
        ] {
            let failure = Server::parse(address, token).unwrap_err();
            assert_eq!(failure.kind, DestinationErrorKind::Unavailable);
            assert!(!failure.message.contains("canary"), "{}", failure.message);
        }
        let server = Server::parse("sc://spark.example.com", Some("canary")).unwrap();
        assert!(!format!("{server:?} {:?}", server.clone()).contains("canary"));
    }
}

//! What must hold for every service that others can call: it believes nobody but a signature, and
//! each method opens to its own rights only.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::IntoResponse;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;
use tower::Service;
use tradepost_service::auth::{Grant, Identity, Rule};
use tradepost_service::client::{ClientOptions, channel};
use tradepost_service::error::ErrorDetails;
use tradepost_service::{Clock, CommonConfig, GrpcServer, Runtime};
use tradepost_token::{Algorithm, SigningKey};
use tradepost_types::TenantId;

use crate::Trust;

/// The reasons of the guard besides those about the token itself. A handler has others.
const GUARDS: [&str; 4] = [
    "ISSUER_BEYOND_BOUND",
    "METHOD_UNKNOWN",
    "RIGHT_MISSING",
    "TENANT_MISSING",
];

/// Serves `service` under `name` with these rules and tries every method as whoever must not get
/// in, and as whoever may.
///
/// # Panics
/// If a method opens to the wrong caller, or stays shut before the right one.
pub async fn assert_guarded<S>(
    name: &'static str,
    service: S,
    descriptors: &'static [u8],
    rules: &[Rule],
) where
    S: Service<http::Request<Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    let trust = Trust::new();
    let bounded = trust.believe("bounded", &["nothing:much"]);
    let common = CommonConfig {
        listen_addr: ([127, 0, 0, 1], 0).into(),
        auth: trust.config(name),
        ..CommonConfig::default()
    };
    let runtime = Runtime::bind(name, common).await.unwrap_or_else(fail);
    let addr = runtime.listener.local_addr().unwrap_or_else(fail);
    let server = GrpcServer::new(&runtime)
        .descriptor(descriptors)
        .service(service, rules);
    let (tasks, shutdown) = (runtime.tasks.clone(), runtime.shutdown.clone());
    let served = tasks.detach(server.serve(runtime.listener));
    let channel =
        channel(&format!("http://{addr}"), &ClientOptions::default()).unwrap_or_else(fail);
    for rule in rules {
        for right in rule.rights() {
            let door = Door {
                name,
                path: format!("/{}/{}", S::NAME, rule.method()),
                right,
                channel: channel.clone(),
            };
            door.try_all(&trust, &bounded).await;
        }
    }
    shutdown.cancel();
    served.await.unwrap_or_else(fail).unwrap_or_else(fail);
}

/// One method, and one of the rights that open it.
struct Door {
    name: &'static str,
    path: String,
    right: &'static str,
    channel: Channel,
}

impl Door {
    async fn try_all(&self, trust: &Trust, bounded: &Identity) {
        let gateway = trust.gateway();
        let right = self.grant();
        self.assert_shut(None, "TOKEN_MISSING").await;
        let stranger = Identity::new(key(), "gateway");
        self.assert_shut(Some((&stranger, &right)), "TOKEN_KEY_UNKNOWN")
            .await;
        let past = Clock::system().now() - Duration::from_secs(90);
        let pem = std::fs::read_to_string(trust.key_path("gateway")).unwrap_or_else(fail);
        let known = SigningKey::from_pkcs8_pem(&pem.into()).unwrap_or_else(fail);
        let late = Identity::with_clock(known, "gateway", Clock::fixed(past));
        self.assert_shut(Some((&late, &right)), "TOKEN_EXPIRED")
            .await;
        let elsewhere = Grant {
            audience: "elsewhere",
            ..right.clone()
        };
        self.assert_shut(Some((gateway, &elsewhere)), "TOKEN_AUDIENCE_WRONG")
            .await;
        self.assert_shut(Some((bounded, &right)), "ISSUER_BEYOND_BOUND")
            .await;
        let other = Grant {
            rights: vec!["nothing:much"],
            ..right.clone()
        };
        self.assert_shut(Some((gateway, &other)), "RIGHT_MISSING")
            .await;
        let (_code, reason) = self.call(Some((gateway, &right))).await;
        let shut = reason.starts_with("TOKEN_") || GUARDS.contains(&reason.as_str());
        assert!(!shut, "{} stays shut: {reason}", self.path);
    }

    fn grant(&self) -> Grant {
        Grant::of_service(self.name, "tester", TenantId::new(), &[self.right])
    }

    async fn assert_shut(&self, token: Option<(&Identity, &Grant)>, wanted: &str) {
        let (code, reason) = self.call(token).await;
        assert_eq!(reason, wanted, "{} answers {code:?}", self.path);
    }

    /// What an empty request is answered.
    async fn call(&self, token: Option<(&Identity, &Grant)>) -> (Code, String) {
        let mut request = Request::new(());
        if let Some((identity, grant)) = token {
            let bearer = identity.bearer(grant).unwrap_or_else(fail);
            let metadata = request.metadata_mut();
            metadata.insert("authorization", bearer.to_metadata());
        }
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap_or_else(fail);
        let path = self.path.parse().unwrap_or_else(fail);
        let answer = grpc
            .unary(request, path, ProstCodec::<(), ()>::default())
            .await;
        match answer {
            Ok(_response) => (Code::Ok, String::new()),
            Err(status) => (status.code(), ErrorDetails::from_status(&status).reason),
        }
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa).unwrap_or_else(fail)
}

fn fail<T>(error: impl std::fmt::Debug) -> T {
    panic!("{error:?}")
}

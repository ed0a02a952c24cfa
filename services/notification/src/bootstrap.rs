//! Puts the parts together: the only place that names concrete adapters.

mod email;
mod feed;
mod ground;
mod live;
pub mod nodes;
pub mod people;
pub mod store;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::notification::v1::notification_service_server::NotificationServiceServer;
use tradepost_service::{CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::grpc::{RULES, SendStreams};
use crate::adapters::postgres::PgNotifications;
use crate::application::MoveCursors;
use crate::command::{self, NotificationCommand};
use crate::config::NotificationConfig;
use ground::Ground;
pub use live::LiveHub;
use nodes::Fanout;

/// The service's name.
pub(crate) const NAME: &str = "notification";

/// The notification service as a program.
pub struct NotificationProgram;

impl Program for NotificationProgram {
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = "Tells people what happened, at once and for good";
    type Config = NotificationConfig;
    type Admin = NotificationCommand;

    fn common(config: &NotificationConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: NotificationConfig, runtime: Runtime) -> anyhow::Result<()> {
        let mut ground = Ground::open(&config, &runtime).await?;
        let store = Arc::new(PgNotifications::new(ground.database()));
        store::keep(&store, &config.history, &runtime);
        let live = LiveHub::new(&config.live, &runtime);
        let fanout = Fanout::new(&config.redis, &runtime.registry)?;
        let recents = fanout.recents();
        let until = nodes::until_empty(&live.hub, &config.live, &runtime);
        let every = Duration::from_millis(config.live.look_ms);
        let others = fanout.tell_presence(
            Arc::clone(&live.hub) as _,
            Duration::from_millis(config.redis.presence_ms),
            (&runtime.tasks, &until),
        );
        let here = Arc::clone(&live.hub) as _;
        let ends = (Arc::clone(&store) as _, Arc::clone(&live.hub) as _);
        let announcer = fanout.start(ends, every, (&runtime.tasks, &until)).await;
        let told = (ground.database(), Arc::clone(&announcer));
        ground.hear_orders(feed::orders(&config.feed, &runtime, told)?);
        let mut api = store::api(&store, &announcer);
        api.streams = SendStreams::new(runtime.tasks.clone(), runtime.shutdown.clone());
        let cursors = Arc::new(MoveCursors::new(api.history.clone()));
        let ports = (Arc::clone(&store) as _, Some(recents), cursors as _);
        let ways = (&config.live, &config.access);
        live.serve(ways, &runtime, ports).await?;
        let server = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(NotificationServiceServer::new(api), &RULES);
        let server = people::serve(server, (&store, &announcer), (here, others));
        let server = webhooks::serve(server, &config.webhooks, ground.database(), &runtime)?;
        let email = config.email.as_ref();
        let server = email::serve(server, email, ground.database(), &runtime)?;
        ground.serve(runtime, server).await
    }

    async fn admin(config: NotificationConfig, command: NotificationCommand) -> anyhow::Result<()> {
        command::run(command, &config).await
    }
}

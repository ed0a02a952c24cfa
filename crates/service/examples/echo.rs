//! The smallest service there is. Besides serving nothing but health, it can be told to behave
//! badly, for the tests of start and stop.

use std::process::ExitCode;

use clap::Subcommand;
use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tradepost_service::config::secret;
use tradepost_service::{CommonConfig, GrpcServer, Program, Runtime};

/// The configuration of the example.
#[derive(Debug, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
struct EchoConfig {
    /// What every service has.
    #[garde(dive)]
    #[serde(default)]
    server: CommonConfig,
    /// A secret without a default.
    #[garde(skip)]
    #[serde(serialize_with = "secret::mask")]
    token: SecretString,
    /// Leaves a task behind that never ends.
    #[garde(skip)]
    #[serde(default)]
    stubborn: bool,
    /// How often it speaks.
    #[garde(range(min = 1, max = 9))]
    #[serde(default = "once")]
    times: u8,
}

const fn once() -> u8 {
    1
}

/// The commands of the example.
#[derive(Subcommand)]
enum EchoCommand {
    /// Says the text
    Say {
        /// What to say
        text: String,
    },
}

struct Echo;

impl Program for Echo {
    const NAME: &'static str = "echo";
    const ABOUT: &'static str = "Says what it is told";
    type Config = EchoConfig;
    type Admin = EchoCommand;

    fn common(config: &EchoConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: EchoConfig, runtime: Runtime) -> anyhow::Result<()> {
        let shutdown = runtime.shutdown.clone();
        runtime.tasks.spawn("follower", async move {
            shutdown.cancelled().await;
        });
        if config.stubborn {
            runtime
                .tasks
                .spawn("stubborn", std::future::pending::<()>());
        }
        GrpcServer::new(&runtime).serve(runtime.listener).await
    }

    #[expect(clippy::print_stdout, reason = "the answer of a command")]
    async fn admin(config: EchoConfig, command: EchoCommand) -> anyhow::Result<()> {
        let EchoCommand::Say { text } = command;
        for _ in 0..config.times {
            println!("{text}");
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    tradepost_service::run::<Echo>()
}

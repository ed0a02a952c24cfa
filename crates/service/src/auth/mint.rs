//! A token for an operator's grpcurl.

use std::path::PathBuf;

use clap::Args;
use tradepost_token::Signer;
use tradepost_types::TenantId;

use super::TYP;
use super::caller::Claims;
use super::grant::Grant;
use super::identity::{claims, read_key};
use crate::clock::Clock;

/// Whose token, for what.
#[derive(Debug, Clone, Args)]
pub struct MintArgs {
    /// The private key of the operator (PKCS#8, PEM)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The operator: the token's issuer is operator/NAME
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// The service it is for; this one if none is given
    #[arg(long = "for", value_name = "SERVICE")]
    audience: Option<String>,
    /// The tenant it is about
    #[arg(long)]
    tenant: Option<TenantId>,
    /// What it allows, e.g. orders:operate; several times for several
    #[arg(long = "right", value_name = "RIGHT", required = true)]
    rights: Vec<String>,
}

/// Signs a token that is good for a minute.
///
/// # Errors
/// Fails when there is no such key.
pub fn mint(args: &MintArgs, service: &'static str) -> anyhow::Result<String> {
    let key = read_key(&args.key)?;
    let issuer = format!("operator/{}", args.name);
    let grant = Grant {
        audience: service,
        subject: issuer.clone(),
        tenant: args.tenant,
        rights: Vec::new(),
        customer: false,
    };
    let claims = Claims {
        aud: args.audience.clone().unwrap_or_else(|| service.to_owned()),
        ..claims(&issuer, Clock::system().now(), &grant, args.rights.clone())
    };
    Ok(Signer::new(key, TYP).sign(&claims)?)
}

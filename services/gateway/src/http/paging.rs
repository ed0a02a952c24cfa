//! Pages of what the gateway itself keeps.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tradepost_service::page::PageRequest;

use super::problem::Problem;
use crate::upstream::Refusal;

/// Reads the paging parameters of a list.
pub(super) fn page<K: Serialize + DeserializeOwned>(
    page_size: i32,
    page_token: &str,
    filter: &str,
) -> Result<PageRequest<K>, Problem> {
    let page = PageRequest::parse(page_size, page_token, filter.as_bytes());
    page.map_err(|status| Problem::from(Refusal::of_list(&status)))
}

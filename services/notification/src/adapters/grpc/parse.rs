//! From messages to what the use cases take. Every bad field is named in one answer.

use std::collections::HashSet;

use prost::Message;
use time::OffsetDateTime;
use tonic::Status;
use tradepost_notifications::content::Content;
use tradepost_notifications::stream::{GroupName, Stream, UserName};
use tradepost_proto::notification::v1 as pb;
use tradepost_service::RequestContext;
use tradepost_service::error::Violations;
use tradepost_service::page::PageRequest;
use tradepost_service::request_id::fingerprint;

use super::status::{DOMAIN, user_forbidden};
use super::{MANAGE, READ_ANY};
use crate::ports::{HistoryKey, HistoryQuestion, Reader, RequestKey, Whom};

/// Users of one call.
const USERS_MAX: usize = 1_000;
/// Streams of one user, and a few that are no longer.
const CURSORS_MAX: usize = 200;
/// The longest request id and collapse key.
const KEY_CHARS_MAX: usize = 64;
const DISPLAY_NAME_CHARS_MAX: usize = 200;
/// Bad fields of a list that are named in one answer.
const NAMED_MAX: usize = 20;

/// The page's size if none is given, and the largest.
type Sizes = (u32, u32);
const PAGE: Sizes = (20, 100);
const MEMBERS_PAGE: Sizes = (100, 1_000);

/// Something to tell.
pub(super) enum Sending {
    /// For good.
    Durable {
        whom: Whom,
        content: Content,
        request: RequestKey,
    },
    /// To who is connected.
    Ephemeral {
        whom: Whom,
        content: Content,
        collapse: Option<Box<str>>,
    },
}

pub(super) fn to_users(mut request: pb::SendToUsersRequest) -> Result<Sending, Status> {
    let id = std::mem::take(&mut request.request_id);
    let print = print(request.delivery(), &request);
    let mut faults = Violations::new();
    let users = users(&mut faults, &request.user_ids);
    let how = How {
        id,
        print,
        delivery: request.delivery,
        collapse: &request.collapse_key,
    };
    sending(faults, Some(Whom::Users(users)), request.content, how)
}

pub(super) fn to_group(mut request: pb::BroadcastToGroupRequest) -> Result<Sending, Status> {
    let id = std::mem::take(&mut request.request_id);
    let print = print(request.delivery(), &request);
    let mut faults = Violations::new();
    let group = faults.take("group_id", request.group_id.parse());
    let how = How {
        id,
        print,
        delivery: request.delivery,
        collapse: &request.collapse_key,
    };
    sending(faults, group.map(Whom::Group), request.content, how)
}

/// What a repetition is known by, which nobody asks of an ephemeral one.
fn print(delivery: pb::Delivery, request: &impl Message) -> [u8; 32] {
    match delivery {
        pb::Delivery::Unspecified | pb::Delivery::Durable => fingerprint(&request.encode_to_vec()),
        pb::Delivery::Ephemeral => [0; 32],
    }
}

/// How something is told, as the request says.
struct How<'a> {
    id: String,
    print: [u8; 32],
    delivery: i32,
    collapse: &'a str,
}

fn sending(
    mut faults: Violations,
    whom: Option<Whom>,
    content: Option<pb::Content>,
    how: How<'_>,
) -> Result<Sending, Status> {
    let content = told(&mut faults, content);
    let delivery = faults.take("delivery", pb::Delivery::try_from(how.delivery));
    let is_durable = match delivery {
        Some(pb::Delivery::Unspecified | pb::Delivery::Durable) => true,
        Some(pb::Delivery::Ephemeral) | None => false,
    };
    if is_durable {
        faults.request_id(&how.id);
        if !how.collapse.is_empty() {
            faults.add("collapse_key", "is for ephemeral notifications only");
        }
    } else if how.collapse.chars().count() > KEY_CHARS_MAX {
        faults.add("collapse_key", "must be at most 64 characters");
    }
    let (Some(whom), Some(content), Some(_)) = (whom, content, delivery) else {
        return Err(faults.into_failure(DOMAIN).into());
    };
    faults.check(DOMAIN)?;
    if is_durable {
        let request = RequestKey {
            id: how.id,
            fingerprint: how.print,
        };
        return Ok(Sending::Durable {
            whom,
            content,
            request,
        });
    }
    let collapse = (!how.collapse.is_empty()).then(|| how.collapse.into());
    Ok(Sending::Ephemeral {
        whom,
        content,
        collapse,
    })
}

fn told(faults: &mut Violations, content: Option<pb::Content>) -> Option<Content> {
    let Some(content) = content else {
        faults.add("content", "is required");
        return None;
    };
    let pb::Content {
        r#type,
        title,
        message,
        data,
    } = content;
    match Content::new(r#type, title, message, &data) {
        Ok(content) => Some(content),
        Err(fault) => {
            faults.add(format!("content.{}", fault.field()), fault.to_string());
            None
        }
    }
}

/// Users, each once, in the order of the request.
fn users(faults: &mut Violations, ids: &[String]) -> Vec<UserName> {
    if ids.is_empty() || ids.len() > USERS_MAX {
        faults.add("user_ids", "must be 1 to 1,000");
        return Vec::new();
    }
    let (mut seen, mut users, mut bad) = (HashSet::new(), Vec::with_capacity(ids.len()), 0);
    for (index, id) in ids.iter().enumerate() {
        let user: Result<UserName, _> = id.parse();
        if user.is_err() {
            bad += 1;
            if bad > NAMED_MAX {
                break;
            }
        }
        let user = faults.take(format!("user_ids[{index}]"), user);
        users.extend(user.filter(|_| seen.insert(id)));
    }
    users
}

/// Whose history: the caller's, or another's for who may.
pub(super) fn reader(context: &RequestContext, user_id: &str) -> Result<Reader, Status> {
    whose(context, user_id, READ_ANY)
}

/// The caller, if nobody is named, or another for whom it takes a right.
pub(super) fn whose(
    context: &RequestContext,
    user_id: &str,
    right: &str,
) -> Result<Reader, Status> {
    let user_id = if user_id.is_empty() {
        &context.actor
    } else {
        user_id
    };
    if user_id != context.actor && !may(context, right) {
        return Err(user_forbidden());
    }
    Ok(Reader {
        tenant: context.tenant,
        user: user(user_id)?,
    })
}

/// Whose groups: all of the tenant for who keeps them, else as for histories.
pub(super) fn whose_groups(
    context: &RequestContext,
    user_id: &str,
) -> Result<Option<UserName>, Status> {
    if user_id.is_empty() {
        return if may(context, MANAGE) {
            Ok(None)
        } else {
            Err(user_forbidden())
        };
    }
    if user_id != context.actor && !may(context, READ_ANY) && !may(context, MANAGE) {
        return Err(user_forbidden());
    }
    user(user_id).map(Some)
}

/// Of whom it is asked whether they are connected: each once, the caller if nobody is named.
pub(super) fn present_users(
    context: &RequestContext,
    user_ids: &[String],
) -> Result<Vec<UserName>, Status> {
    if user_ids.is_empty() {
        return Ok(vec![user(&context.actor)?]);
    }
    let is_other = |id: &String| *id != context.actor;
    if user_ids.iter().any(is_other) && !may(context, READ_ANY) {
        return Err(user_forbidden());
    }
    let mut faults = Violations::new();
    let users = users(&mut faults, user_ids);
    faults.check(DOMAIN)?;
    Ok(users)
}

/// Of which group's members it is asked.
pub(super) fn present(
    context: &RequestContext,
    request: pb::ListPresentRequest,
) -> Result<Members, Status> {
    if !may(context, READ_ANY) {
        return Err(user_forbidden());
    }
    // The pages are those of the members.
    members(&pb::ListMembersRequest {
        group_id: request.group_id,
        page_size: request.page_size,
        page_token: request.page_token,
    })
}

/// A customer reaches what is their own, whatever their token says.
fn may(context: &RequestContext, right: &str) -> bool {
    context.own_only.is_none() && context.may(right)
}

fn user(user_id: &str) -> Result<UserName, Status> {
    parsed("user_id", user_id.parse())
}

fn parsed<T, E: std::fmt::Display>(field: &'static str, value: Result<T, E>) -> Result<T, Status> {
    value.map_err(|fault| {
        let mut faults = Violations::new();
        faults.add(field, fault.to_string());
        faults.into_failure(DOMAIN).into()
    })
}

/// A place in a history as a page token holds it: microseconds, the stream, the sequence.
pub(super) type Token = (i64, String, u64);

pub(super) fn token(key: &HistoryKey) -> Token {
    let micros = i64::try_from(key.time.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
    (micros, key.stream.to_string(), key.seq)
}

/// Where a token says that the page begins. Its checksum has said that it is one of ours.
fn place((micros, stream, seq): &Token) -> Option<HistoryKey> {
    let nanos = i128::from(*micros) * 1_000;
    Some(HistoryKey {
        time: OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?,
        stream: stream.parse().ok()?,
        seq: *seq,
    })
}

pub(super) fn history(
    request: &pb::GetHistoryRequest,
    reader: &Reader,
) -> Result<(HistoryQuestion, PageRequest<Token>), Status> {
    let filter = format!("{}\n{}", reader.user.as_str(), request.unread_only);
    let page = page(request.page_size, &request.page_token, &filter, PAGE)?;
    let question = HistoryQuestion {
        unread_only: request.unread_only,
        after: page.after.as_ref().and_then(place),
        limit: page.limit(),
    };
    Ok((question, page))
}

/// A page with bounds of its own.
fn page<K>(
    size: i32,
    token: &str,
    filter: &str,
    (default, max): Sizes,
) -> Result<PageRequest<K>, Status>
where
    K: serde::Serialize + serde::de::DeserializeOwned,
{
    let mut page = PageRequest::parse(size, token, filter.as_bytes())?;
    page.size = match u32::try_from(size) {
        Ok(0) | Err(_) => default,
        Ok(wish) => wish.min(max),
    };
    Ok(page)
}

pub(super) fn marks(cursors: &[pb::Cursor]) -> Result<Vec<(Stream, u64)>, Status> {
    let mut faults = Violations::new();
    if cursors.len() > CURSORS_MAX {
        faults.add("cursors", "must be at most 200");
    }
    let (mut seen, mut marks) = (HashSet::new(), Vec::new());
    for (index, cursor) in cursors.iter().take(CURSORS_MAX).enumerate() {
        let field = format!("cursors[{index}].stream");
        let stream: Option<Stream> = faults.take(field.clone(), cursor.stream.parse());
        let Some(stream) = stream else { continue };
        if !seen.insert(&cursor.stream) {
            faults.add(field, "is named before");
        }
        marks.push((stream, cursor.read));
    }
    faults.check(DOMAIN)?;
    Ok(marks)
}

pub(super) fn put_group(request: &pb::PutGroupRequest) -> Result<(GroupName, &str), Status> {
    let mut faults = Violations::new();
    let group = faults.take("group_id", request.group_id.parse());
    let name = request.display_name.as_str();
    if name.chars().count() > DISPLAY_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        faults.add(
            "display_name",
            "must be at most 200 characters, none of them a control character",
        );
    }
    let Some(group) = group else {
        return Err(faults.into_failure(DOMAIN).into());
    };
    faults.check(DOMAIN)?;
    Ok((group, name))
}

pub(super) fn groups(
    request: &pb::ListGroupsRequest,
) -> Result<(Option<GroupName>, PageRequest<String>), Status> {
    let page = page(
        request.page_size,
        &request.page_token,
        &request.user_id,
        PAGE,
    )?;
    let after = page
        .after
        .as_ref()
        .and_then(|group: &String| group.parse().ok());
    Ok((after, page))
}

pub(super) fn membership(
    group_id: &str,
    user_ids: &[String],
) -> Result<(GroupName, Vec<UserName>), Status> {
    let mut faults = Violations::new();
    let group = faults.take("group_id", group_id.parse());
    let users = users(&mut faults, user_ids);
    let Some(group) = group else {
        return Err(faults.into_failure(DOMAIN).into());
    };
    faults.check(DOMAIN)?;
    Ok((group, users))
}

/// The group, the member behind whom the page begins, and the page.
pub(super) type Members = (GroupName, Option<UserName>, PageRequest<String>);

pub(super) fn members(request: &pb::ListMembersRequest) -> Result<Members, Status> {
    let group = parsed("group_id", request.group_id.parse())?;
    let page = page(
        request.page_size,
        &request.page_token,
        &request.group_id,
        MEMBERS_PAGE,
    )?;
    let after = page
        .after
        .as_ref()
        .and_then(|user: &String| user.parse().ok());
    Ok((group, after, page))
}

//! The rules of the protos, checked on the descriptor set: every service, rpc, message, field and
//! enum value has a comment; every enum starts with `_UNSPECIFIED` and prefixes its values; every
//! rpc has a request and a response of its own; packages are versioned; commands and events have a
//! routing key, and the comment above them names it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod breaking;

use std::collections::HashSet;

use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::{DescriptorPool, EnumDescriptor, MessageDescriptor};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::routing::{COMMANDS, EVENTS};

fn pool() -> DescriptorPool {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the descriptor set decodes")
}

fn ours(full_name: &str) -> bool {
    full_name.starts_with("tradepost.")
}

fn comment(locations: &[Location], path: &[i32]) -> String {
    locations
        .iter()
        .find(|location| location.path == path)
        .map(|location| location.leading_comments().trim().to_owned())
        .unwrap_or_default()
}

fn message_comment(message: &MessageDescriptor) -> String {
    let file = message.parent_file().file_descriptor_proto().clone();
    comment(
        &file.source_code_info.unwrap_or_default().location,
        message.path(),
    )
}

fn snake_upper(camel: &str) -> String {
    let mut name = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[test]
fn every_element_has_a_comment() {
    let mut bare = Vec::new();
    for file in pool().files().filter(|file| ours(file.package_name())) {
        let locations = file
            .file_descriptor_proto()
            .source_code_info
            .clone()
            .unwrap_or_default();
        let mut check = |name: &str, path: &[i32]| {
            if comment(&locations.location, path).is_empty() {
                bare.push(name.to_owned());
            }
        };
        for message in file.messages() {
            check(message.full_name(), message.path());
            message
                .fields()
                .for_each(|field| check(field.full_name(), field.path()));
        }
        for enumeration in file.enums() {
            check(enumeration.full_name(), enumeration.path());
            enumeration
                .values()
                .for_each(|value| check(value.full_name(), value.path()));
        }
        for service in file.services() {
            check(service.full_name(), service.path());
            service
                .methods()
                .for_each(|method| check(method.full_name(), method.path()));
        }
    }

    assert_eq!(bare, Vec::<String>::new(), "elements without a comment");
}

#[test]
fn every_enum_starts_unspecified_and_prefixes_its_values() {
    let well_named = |enumeration: &EnumDescriptor| {
        let prefix = snake_upper(enumeration.name());
        enumeration
            .get_value(0)
            .is_some_and(|zero| zero.name() == format!("{prefix}_UNSPECIFIED"))
            && enumeration
                .values()
                .all(|value| value.name().starts_with(&format!("{prefix}_")))
    };

    let wrong: Vec<_> = pool()
        .all_enums()
        .filter(|enumeration| ours(enumeration.full_name()) && !well_named(enumeration))
        .map(|enumeration| enumeration.full_name().to_owned())
        .collect();

    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_rpc_has_a_request_and_a_response_of_its_own() {
    let mut seen = HashSet::new();
    for service in pool()
        .services()
        .filter(|service| ours(service.full_name()))
    {
        for method in service.methods() {
            assert_eq!(method.input().name(), format!("{}Request", method.name()));
            assert_eq!(method.output().name(), format!("{}Response", method.name()));
            assert!(
                seen.insert(method.input().full_name().to_owned()),
                "{}",
                method.full_name()
            );
        }
    }
    assert!(seen.len() > 20, "the services were found");
}

#[test]
fn every_package_is_versioned_and_matches_its_folder() {
    for file in pool()
        .files()
        .filter(|file| file.name().starts_with("tradepost/"))
    {
        let folder = file
            .name()
            .rsplit_once('/')
            .map(|(folder, _)| folder.replace('/', "."));

        assert_eq!(folder.as_deref(), Some(file.package_name()));
        assert!(
            file.package_name().ends_with(".v1"),
            "{}",
            file.package_name()
        );
    }
}

#[test]
fn every_command_and_event_has_a_routing_key_that_its_comment_names() {
    let mut keys: HashSet<String> = COMMANDS
        .iter()
        .map(|(service, name)| format!("{service}.{name}"))
        .collect();
    keys.extend(EVENTS.iter().map(|&key| key.to_owned()));

    for message in pool().all_messages() {
        let comment = message_comment(&message);
        if let Some(rest) = comment.strip_prefix("Routing key ") {
            let key = rest
                .split([' ', '\n'])
                .next()
                .unwrap_or_default()
                .trim_end_matches('.');
            assert!(keys.remove(key), "{} names {key:?}", message.full_name());
        }
    }

    assert_eq!(keys, HashSet::new(), "routing keys without a message");
}

//! What was promised is kept: every message, field, enum value and rpc of `baseline.binpb` is still
//! there under the same number, name, type and shape, or its number and name are reserved. It is
//! what `buf breaking` asks for with its FILE rules, without another tool on the machine.
//!
//! After a release the baseline is renewed: `cargo run -p tradepost-proto --example baseline`.

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, MessageDescriptor, ServiceDescriptor,
};

use super::{ours, pool};

const BASELINE: &[u8] = include_bytes!("../../baseline.binpb");

/// What of `before` is missing or different in `after`, a line each.
fn broken(before: &DescriptorPool, after: &DescriptorPool) -> Vec<String> {
    let mut faults = Vec::new();
    for message in before.all_messages().filter(|m| ours(m.full_name())) {
        match after.get_message_by_name(message.full_name()) {
            Some(now) => fields(&message, &now, &mut faults),
            None => faults.push(format!("{} is gone", message.full_name())),
        }
    }
    for enumeration in before.all_enums().filter(|e| ours(e.full_name())) {
        match after.get_enum_by_name(enumeration.full_name()) {
            Some(now) => values(&enumeration, &now, &mut faults),
            None => faults.push(format!("{} is gone", enumeration.full_name())),
        }
    }
    for service in before.services().filter(|s| ours(s.full_name())) {
        match after.get_service_by_name(service.full_name()) {
            Some(now) => methods(&service, &now, &mut faults),
            None => faults.push(format!("{} is gone", service.full_name())),
        }
    }
    faults
}

fn fields(before: &MessageDescriptor, after: &MessageDescriptor, faults: &mut Vec<String>) {
    for field in before.fields() {
        let number = field.number();
        match after.get_field(number) {
            Some(now) if shape(&now) == shape(&field) => {}
            Some(now) => faults.push(format!(
                "{} was `{}` and is `{}`",
                field.full_name(),
                shape(&field),
                shape(&now)
            )),
            None => {
                let kept = after.reserved_ranges().any(|range| range.contains(&number))
                    && after.reserved_names().any(|name| name == field.name());
                if !kept {
                    faults.push(format!("{} is gone and not reserved", field.full_name()));
                }
            }
        }
    }
}

/// Everything about a field that a sender or a reader relies on.
fn shape(field: &FieldDescriptor) -> String {
    let kind = field.kind();
    let message = kind
        .as_message()
        .map(|message| message.full_name().to_owned());
    let enumeration = kind
        .as_enum()
        .map(|enumeration| enumeration.full_name().to_owned());
    let kind = message
        .or(enumeration)
        .unwrap_or_else(|| format!("{kind:?}"));
    let oneof = field
        .containing_oneof()
        .map(|oneof| oneof.name().to_owned());
    format!(
        "{:?} {kind} {} presence={} in={oneof:?} json={}",
        field.cardinality(),
        field.name(),
        field.supports_presence(),
        field.json_name()
    )
}

fn values(before: &EnumDescriptor, after: &EnumDescriptor, faults: &mut Vec<String>) {
    for value in before.values() {
        let now = after.get_value(value.number());
        if now.is_none_or(|now| now.name() != value.name()) {
            faults.push(format!("{} is gone or renamed", value.full_name()));
        }
    }
}

fn methods(before: &ServiceDescriptor, after: &ServiceDescriptor, faults: &mut Vec<String>) {
    for method in before.methods() {
        let now = after.methods().find(|now| now.name() == method.name());
        let same = now.is_some_and(|now| {
            now.input().full_name() == method.input().full_name()
                && now.output().full_name() == method.output().full_name()
                && now.is_client_streaming() == method.is_client_streaming()
                && now.is_server_streaming() == method.is_server_streaming()
        });
        if !same {
            faults.push(format!(
                "{} is gone or has another form",
                method.full_name()
            ));
        }
    }
}

#[test]
fn nothing_that_was_promised_is_broken() {
    let before = DescriptorPool::decode(BASELINE).expect("the baseline decodes");

    assert_eq!(broken(&before, &pool()), Vec::<String>::new());
}

/// A pool of one file in a package of ours.
fn written(body: &str) -> DescriptorPool {
    let folder = format!("breaking-{}-{:x}", std::process::id(), body.len());
    let folder = std::env::temp_dir().join(folder);
    let name = "written.proto";
    std::fs::create_dir_all(&folder).expect("a folder");
    let text = format!("syntax = \"proto3\"; package tradepost.test.v1;\n{body}");
    std::fs::write(folder.join(name), text).expect("a file");
    let set = protox::compile([name], [&folder]).expect("it compiles");
    std::fs::remove_dir_all(&folder).expect("the folder goes");
    DescriptorPool::from_file_descriptor_set(set).expect("a pool")
}

#[test]
fn each_kind_of_break_is_found_and_growth_is_none() {
    let before = written(
        "message M { string a = 1; optional int64 b = 2; }
         enum E { E_UNSPECIFIED = 0; E_ONE = 1; }
         service S { rpc Do(M) returns (M); }",
    );
    let grown = written(
        "message M { reserved 1; reserved \"a\"; optional int64 b = 2; string c = 3; }
         enum E { E_UNSPECIFIED = 0; E_ONE = 1; E_TWO = 2; }
         service S { rpc Do(M) returns (M); rpc More(M) returns (M); }",
    );
    let worse = written(
        "message M { optional string b = 2; }
         enum E { E_UNSPECIFIED = 0; E_UNO = 1; }
         service S { rpc Do(M) returns (stream M); }",
    );

    assert_eq!(broken(&before, &grown), Vec::<String>::new());
    let faults = broken(&before, &worse);
    assert_eq!(faults.len(), 4, "{faults:#?}");
    assert!(faults[0].contains("a is gone and not reserved"));
}

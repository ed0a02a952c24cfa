use proptest::prelude::*;
use time::macros::datetime;
use tradepost_types::{ApiKeyId, ClientId, SessionId, TenantId, UserId};

use super::*;
use crate::domain::caller::Plan;
use crate::domain::rights::Rights;
use crate::domain::routes::{Audit, ROUTES};

const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);
const AT: Moment = Moment {
    now: NOW,
    has_factor: false,
};

fn caller(role: Role, subject: Subject) -> Caller {
    let is_person = matches!(subject, Subject::User(_));
    Caller {
        subject,
        tenant: (role != Role::Operator).then(TenantId::new),
        role,
        rights: role.rights(),
        session: is_person.then(SessionId::new),
        client: None,
        plan: Plan::Standard,
        proof: Proof::Secret,
        expires_at: None,
    }
}

fn user(role: Role) -> Caller {
    caller(role, Subject::User(UserId::new()))
}

fn rule(name: &str) -> Rule {
    ROUTES.iter().find(|route| route.name == name).unwrap().rule
}

#[test]
fn a_role_may_use_what_needs_one_of_its_permissions() {
    for role in Role::ALL {
        for route in ROUTES {
            let permissions = route.rule.who.permissions();
            let Some(&permission) = permissions.first() else {
                continue;
            };
            let decided = decide(&user(*role), &route.rule, AT);
            let has_one = permissions
                .iter()
                .any(|permission| role.rights().contain(*permission));
            let expected = match has_one {
                false => Err(Denial::Missing {
                    permission,
                    layer: Layer::Role,
                }),
                true if *role == Role::Customer && !route.rule.own => Err(Denial::OnlyOwn),
                true => Ok(()),
            };
            assert_eq!(decided, expected, "{role} {}", route.name);
        }
    }
}

#[test]
fn a_scope_takes_away_and_never_gives() {
    let mut narrow = user(Role::Manager);
    narrow.rights = Rights::of(&[Permission::OrdersRead]);
    let refund = rule("create_refund");
    let missing = |layer| {
        Err(Denial::Missing {
            permission: Permission::PaymentsRefund,
            layer,
        })
    };
    assert_eq!(decide(&narrow, &refund, AT), missing(Layer::TokenScope));
    assert_eq!(decide(&narrow, &rule("get_order"), AT), Ok(()));

    narrow.subject = Subject::Key(ApiKeyId::new());
    assert_eq!(decide(&narrow, &refund, AT), missing(Layer::KeyScope));

    let mut wide = user(Role::Support);
    wide.rights = Role::Owner.rights();
    assert_eq!(decide(&wide, &refund, AT), missing(Layer::Role));
}

#[test]
fn of_several_permissions_each_is_enough_and_the_first_is_missing_otherwise() {
    let rule = rule("list_notification_groups");
    let (read, manage) = (
        Permission::NotificationsRead,
        Permission::NotificationsManage,
    );
    assert_eq!(rule.who.permissions(), [read, manage]);
    let key = |scope: &[Permission]| Caller {
        rights: Rights::of(scope),
        ..caller(Role::Service, Subject::Key(ApiKeyId::new()))
    };
    let manager = |scope: &[Permission]| Caller {
        rights: Rights::of(scope),
        ..user(Role::Manager)
    };

    assert_eq!(decide(&key(&[manage]), &rule, AT), Ok(()));
    assert_eq!(decide(&manager(&[manage]), &rule, AT), Ok(()));
    assert_eq!(decide(&manager(&[read]), &rule, AT), Ok(()));
    let missing = |layer| {
        Err(Denial::Missing {
            permission: read,
            layer,
        })
    };
    let neither = [Permission::NotificationsSend];
    assert_eq!(
        decide(&manager(&neither), &rule, AT),
        missing(Layer::TokenScope)
    );
    assert_eq!(decide(&key(&neither), &rule, AT), missing(Layer::Role));
    // What the key claims, its role does not have.
    assert_eq!(decide(&key(&[read]), &rule, AT), missing(Layer::Role));
}

#[test]
fn programs_are_no_persons() {
    let mine = Rule {
        who: Who::User,
        ..rule("get_order")
    };
    for subject in [
        Subject::Key(ApiKeyId::new()),
        Subject::Client(ClientId::new()),
    ] {
        let decided = decide(&caller(Role::Service, subject), &mine, AT);
        assert_eq!(decided, Err(Denial::NotAPerson));
    }
    let mut without_session = user(Role::Owner);
    assert_eq!(decide(&without_session, &mine, AT), Ok(()));
    without_session.session = None;
    assert_eq!(decide(&without_session, &mine, AT), Err(Denial::NotAPerson));
}

/// What makes or ends what programs show, or changes how a person logs in or who acts for them.
const FOR_PERSONS: &[&str] = &[
    "create_api_key",
    "rotate_api_key",
    "revoke_api_key",
    "create_oauth_client",
    "remove_oauth_client",
    "enrol_totp",
    "confirm_totp",
    "remove_totp",
    "step_up",
    "replace_recovery_codes",
    "create_authorization",
    "log_out",
    "set_password",
    "list_sessions",
    "revoke_sessions",
    "revoke_session",
];

#[test]
fn no_program_manages_keys_or_logins_whatever_it_may() {
    let key = caller(Role::Owner, Subject::Key(ApiKeyId::new()));
    let client = caller(Role::Owner, Subject::Client(ClientId::new()));
    let application = Caller {
        client: Some(ClientId::new()),
        ..user(Role::Owner)
    };
    let without_session = Caller {
        session: None,
        ..user(Role::Owner)
    };
    for name in FOR_PERSONS {
        let rule = rule(name);
        assert_eq!(decide(&user(Role::Owner), &rule, AT), Ok(()), "{name}");
        for program in [&key, &client, &application, &without_session] {
            let decided = decide(program, &rule, AT);
            assert_eq!(decided, Err(Denial::NotAPerson), "{name} {program:?}");
        }
    }
}

/// A route that comes later must not be forgotten.
#[test]
fn whatever_manages_keys_or_factors_is_among_them() {
    for route in ROUTES {
        let places = ["/v1/api-keys", "/v1/oauth/", "/v1/auth/mfa/"];
        let is_there = places.iter().any(|place| route.template.starts_with(place));
        let permissions = route.rule.who.permissions();
        let manages = permissions.contains(&Permission::KeysManage)
            || (is_there && route.rule.audit != Audit::No);
        let is_for_persons = route.rule.person || route.rule.who == Who::User;
        let is_listed = FOR_PERSONS.contains(&route.name);
        assert_eq!(is_for_persons, is_listed, "{}", route.name);
        assert!(is_listed || !manages, "{}", route.name);
    }
}

#[test]
fn a_second_factor_must_have_been_shown_lately() {
    let rule = Rule {
        step_up: true,
        ..rule("get_order")
    };
    let shown = |at| Caller {
        proof: Proof::SecondFactor { at },
        ..user(Role::Owner)
    };
    for (caller, expected) in [
        (user(Role::Owner), Ok(())),
        (shown(NOW), Ok(())),
        (shown(NOW - STEP_UP_AGE_MAX), Ok(())),
        (
            shown(NOW - STEP_UP_AGE_MAX - Duration::from_secs(1)),
            Err(Denial::StepUp),
        ),
        (shown(NOW + Duration::from_secs(20)), Ok(())),
        (shown(NOW + Duration::from_secs(40)), Err(Denial::StepUp)),
    ] {
        assert_eq!(decide(&caller, &rule, AT), expected);
    }
}

#[test]
fn a_second_factor_that_was_never_shown_is_asked_for_once_there_is_one() {
    let rule = Rule {
        step_up: true,
        ..rule("get_order")
    };
    let owner = user(Role::Owner);
    let with_factor = Moment {
        now: NOW,
        has_factor: true,
    };
    assert!(asks_for_factor(&owner, &rule).is_some());
    assert_eq!(decide(&owner, &rule, AT), Ok(()));
    assert_eq!(decide(&owner, &rule, with_factor), Err(Denial::StepUp));
    let key = caller(Role::Service, Subject::Key(ApiKeyId::new()));
    assert_eq!(asks_for_factor(&key, &rule), None);
}

#[test]
fn what_is_for_people_is_for_no_program_whatever_it_may() {
    let rule = Rule {
        person: true,
        ..rule("get_order")
    };
    let key = caller(Role::Service, Subject::Key(ApiKeyId::new()));
    assert_eq!(decide(&key, &rule, AT), Err(Denial::NotAPerson));
    assert_eq!(decide(&user(Role::Support), &rule, AT), Ok(()));
}

#[test]
fn who_lacks_the_permission_is_not_asked_for_a_second_factor() {
    let rule = Rule {
        step_up: true,
        ..rule("create_refund")
    };
    let stale = Caller {
        proof: Proof::SecondFactor {
            at: NOW - STEP_UP_AGE_MAX * 2,
        },
        ..user(Role::Support)
    };
    assert!(matches!(
        decide(&stale, &rule, AT),
        Err(Denial::Missing { .. })
    ));
}

proptest! {
    /// Whatever a token or key claims, no call is allowed that the role does not allow.
    #[test]
    fn nothing_is_allowed_beyond_the_role(
        role in proptest::sample::select(Role::ALL),
        claimed in proptest::sample::subsequence(Permission::ALL, 0..=Permission::ALL.len()),
        route in proptest::sample::select(ROUTES),
    ) {
        let caller = Caller { rights: claimed.iter().copied().collect(), ..user(role) };
        let permissions = route.rule.who.permissions();
        if decide(&caller, &route.rule, AT).is_ok() && !permissions.is_empty() {
            let has = |permission| role.rights().contain(permission) && claimed.contains(&permission);
            prop_assert!(permissions.iter().any(|permission| has(*permission)));
        }
    }
}

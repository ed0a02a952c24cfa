use proptest::prelude::*;
use time::macros::date;

use super::*;

fn states() -> [DayState; 8] {
    [
        DayState::Planned,
        DayState::Detached,
        DayState::Exported,
        DayState::Verified,
        DayState::Dropped,
        DayState::Failed { reason: "x".into() },
        DayState::Restoring { until: None },
        DayState::Restored { until: None },
    ]
}

fn events() -> [DayEvent; 12] {
    [
        DayEvent::Planned,
        DayEvent::Detached,
        DayEvent::Exported,
        DayEvent::Verified,
        DayEvent::Differed { reason: "y".into() },
        DayEvent::Dropped,
        DayEvent::Retried,
        DayEvent::GivenBack { until: None },
        DayEvent::Dissolved,
        DayEvent::ReturnBegun { until: None },
        DayEvent::Returned,
        DayEvent::ReturnAbandoned,
    ]
}

#[test]
fn every_pair_of_state_and_event_is_in_this_table() {
    // A row for each state, a letter for each event: where it leads, `.` for nowhere.
    let letter = |state: &DayState| match state {
        DayState::Planned => 'p',
        DayState::Detached => 'd',
        DayState::Exported => 'e',
        DayState::Verified => 'v',
        DayState::Dropped => 'x',
        DayState::Failed { .. } => 'f',
        DayState::Restoring { .. } => 'l',
        DayState::Restored { .. } => 'r',
    };
    let wanted = [
        ".d..........",
        "..e....rx...",
        "...vf..rx...",
        "....fx.rx...",
        "p........l..",
        "......drx...",
        ".........lrx",
        "p...........",
    ];

    for (state, row) in states().into_iter().zip(wanted) {
        let led: String = events()
            .into_iter()
            .map(|event| state.clone().on(event).map_or('.', |state| letter(&state)))
            .collect();
        assert_eq!(led, row, "{state}");
    }
}

#[test]
fn words_are_those_of_the_states() {
    assert_eq!(states().map(|state| state.word()), DayState::WORDS);
}

#[test]
fn a_path_says_the_day_and_sorts_like_it() {
    let day = ArchiveDay {
        day: date!(2024 - 02 - 09),
        edition: 1,
        state: DayState::Detached,
    };

    assert_eq!(day.path(12), "events/dt=2024-02-09/part-0001-0012.parquet");
}

/// Where the rows of a day are, as the transitions mean it.
#[derive(Debug, Default)]
struct World {
    /// In a partition that answers, hot or aside.
    rows: bool,
    /// In files that were read back since they were written.
    proven_files: bool,
    /// In files that answer.
    answering: bool,
}

proptest! {
    #[test]
    fn whatever_happens_the_rows_answer_from_exactly_one_place(
        picks in prop::collection::vec(0_usize..12, 0..200),
    ) {
        let mut state = DayState::Planned;
        let mut world = World { rows: true, ..World::default() };
        for pick in picks {
            let event = events()[pick].clone();
            // The database dissolves only what has older files, and gives back only what has none.
            let older = world.answering;
            if event == (DayEvent::Dissolved) && !older
                || matches!(event, DayEvent::GivenBack { .. }) && older
            {
                continue;
            }
            let Ok(next) = state.clone().on(event.clone()) else {
                continue;
            };
            match event {
                DayEvent::Detached | DayEvent::Retried => world.proven_files = false,
                DayEvent::Verified => world.proven_files = true,
                DayEvent::Dropped => {
                    prop_assert!(world.proven_files, "dropped without proof");
                    world.answering = true;
                    world.rows = false;
                }
                DayEvent::Returned => {
                    world.answering = false;
                    world.rows = true;
                }
                DayEvent::Planned
                | DayEvent::Exported
                | DayEvent::Differed { .. }
                | DayEvent::GivenBack { .. }
                | DayEvent::Dissolved
                | DayEvent::ReturnBegun { .. }
                | DayEvent::ReturnAbandoned => {}
            }
            state = next;
            prop_assert!(world.rows != world.answering, "{state}");
        }
    }

    #[test]
    fn undisturbed_every_day_comes_to_rest_in_few_steps(from in 0_usize..8) {
        let mut state = states()[from].clone();
        let mut steps = 0;
        while let Some(step) = state.step() {
            let event = match step {
                Step::Detach => DayEvent::Detached,
                Step::Export => DayEvent::Exported,
                Step::Verify => DayEvent::Verified,
                Step::Drop => DayEvent::Dropped,
                Step::Load { .. } => DayEvent::Returned,
            };
            state = state.on(event).unwrap();
            steps += 1;
        }
        prop_assert!(steps <= 4);
    }
}

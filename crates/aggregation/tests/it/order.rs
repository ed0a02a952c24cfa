//! Whatever the order, however often, however split: the answer is that of a plain fold.

use proptest::prelude::*;
use proptest::sample::Index;
use tradepost_aggregation::{Aggregates, Grouping, MetricsProcessor, SnapshotKind};

use crate::fold::{TENANTS, assert_equal, batches, fold};
use crate::{NOW, ask, config, processor, tenant};

/// Every window and grouping, asked of one or several nodes, merged.
fn assert_answers(nodes: &[MetricsProcessor], all: &[crate::fold::Batch]) {
    let windows = [
        (1, Grouping::None, 60_000),
        (5, Grouping::None, 5 * 60_000),
        (1_440, Grouping::None, 1_440 * 60_000),
        (1_440, Grouping::Minute, 60_000),
        (2, Grouping::Second, 1_000),
    ];
    for of in 0..TENANTS {
        for (minutes, grouping, piece_ms) in windows {
            let mut answers = nodes
                .iter()
                .map(|node| ask(node, tenant(of), minutes, grouping));
            let first: Aggregates = answers.next().unwrap();
            let merged = answers.fold(first, |mut sum, answer| {
                sum.merge(&answer);
                sum
            });
            assert_equal(&merged, &fold(all, of, i64::from(minutes), piece_ms));
        }
    }
}

/// A batch goes to the node of its producer, as a producer keeps to one.
fn node_of(producer: &str, nodes: usize) -> usize {
    usize::from(producer.as_bytes()[producer.len() - 1]) % nodes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_and_duplication_of_batches_gives_the_plain_fold(
        all in batches(),
        again in prop::collection::vec(any::<Index>(), 0..10),
        order in any::<u64>(),
    ) {
        let node = processor();
        let mut sent: Vec<_> = all.clone();
        sent.extend(again.iter().map(|index| index.get(&all).clone()));
        // A permutation that the seed names.
        let mut keyed: Vec<_> = sent.into_iter().enumerate().collect();
        keyed.sort_by_key(|(place, _)| (*place as u64 + 1).wrapping_mul(order | 1).rotate_left(17));

        let new = keyed.iter().filter(|(_, batch)| batch.send(&node)).count();

        prop_assert_eq!(new, all.len());
        assert_answers(&[node], &all);
    }

    #[test]
    fn nodes_merge_to_what_one_would_have_counted(all in batches()) {
        let nodes = [processor(), processor()];

        for batch in &all {
            batch.send(&nodes[node_of(&batch.producer, nodes.len())]);
        }

        assert_answers(&nodes, &all);
    }

    #[test]
    fn a_restart_in_the_middle_changes_nothing(
        all in batches(),
        cut in any::<Index>(),
        back in 0..4_usize,
    ) {
        let node = processor();
        let cut = cut.index(all.len() + 1);
        all[..cut].iter().for_each(|batch| assert!(batch.send(&node)));

        let bytes = node.snapshot(SnapshotKind::Final, NOW);
        let node = MetricsProcessor::restore(config(), &bytes, NOW).unwrap();
        // The producers are not sure of the last ones, and send them again.
        let from = cut.saturating_sub(back);
        for (place, batch) in all.iter().enumerate().skip(from) {
            prop_assert_eq!(batch.send(&node), place >= cut);
        }

        assert_answers(&[node], &all);
    }

    #[test]
    fn a_crash_loses_what_came_after_the_snapshot_and_nothing_once_it_is_sent_again(
        all in batches(),
        cut in any::<Index>(),
    ) {
        let node = processor();
        let cut = cut.index(all.len() + 1);
        all[..cut].iter().for_each(|batch| assert!(batch.send(&node)));
        let bytes = node.snapshot(SnapshotKind::Running, NOW);
        all[cut..].iter().for_each(|batch| assert!(batch.send(&node)));

        let node = MetricsProcessor::restore(config(), &bytes, NOW).unwrap();
        assert_answers(&[node], &all[..cut]);

        let node = MetricsProcessor::restore(config(), &bytes, NOW).unwrap();
        for batch in &all {
            batch.send(&node);
        }
        assert_answers(&[node], &all);
    }
}

//! The text that Prometheus scrapes.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use tradepost_telemetry::Registry;

#[test]
fn our_metrics_have_our_prefix_and_the_units_of_the_format() {
    let registry = Registry::new("order");
    let placed: Counter = Counter::default();
    registry.register("order_placed", "Orders placed", placed.clone());
    registry.register_seconds("saga_duration", "Time to the end", Histogram::new([1.0]));

    placed.inc();

    let text = registry.render().expect("it renders");
    assert!(
        text.contains("\ntradepost_order_placed_total 1\n"),
        "{text}"
    );
    assert!(
        text.contains("\ntradepost_saga_duration_seconds_count 0\n"),
        "{text}"
    );
    assert!(
        text.contains("tradepost_build_info{service=\"order\",version="),
        "{text}"
    );
}

#[test]
fn the_process_reports_what_it_uses() {
    let text = Registry::new("order").render().expect("it renders");

    let figure = |name: &str| -> f64 {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let value = line.and_then(|line| line.split(' ').nth(1)).expect(name);
        value.parse().expect("a number")
    };
    assert!(figure("process_resident_memory_bytes") > 100_000.0);
    assert!(figure("process_open_fds") >= 3.0);
    assert!(figure("process_threads") >= 1.0);
    assert!(figure("process_cpu_seconds_total") >= 0.0);
}

#[test]
fn the_text_ends_once_as_the_format_wants() {
    let text = Registry::new("order").render().expect("it renders");

    assert!(text.ends_with("# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), 1);
}

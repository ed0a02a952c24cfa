//! What the service says of itself at `/metrics`.

use std::net::SocketAddr;

use super::TargetError;
use super::server::ask;

/// A histogram by its buckets: up to which second, and how many were no longer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::bench) struct Histogram(Vec<(f64, u64)>);

impl Histogram {
    /// The service's histogram of that name, of the lines that have `label`.
    pub(in crate::bench) async fn read(
        admin: SocketAddr,
        name: &str,
        label: &str,
    ) -> Result<Self, TargetError> {
        Ok(Self::parse(&ask(admin, "/metrics").await?, name, label))
    }

    fn parse(text: &str, name: &str, label: &str) -> Self {
        let bucket = format!("{name}_bucket{{");
        let lines = text
            .lines()
            .filter(|line| line.starts_with(&bucket) && line.contains(label));
        let pair = |line: &str| {
            let (_, rest) = line.split_once("le=\"")?;
            let (upto, rest) = rest.split_once('"')?;
            let (_, count) = rest.rsplit_once(' ')?;
            let upto = upto.trim_start_matches('+').parse();
            Some((upto.ok()?, count.parse().ok()?))
        };
        Self(lines.filter_map(pair).collect())
    }

    /// What was added since `before`.
    pub(in crate::bench) fn since(&self, before: &Self) -> Self {
        let earlier = |upto: f64| {
            let found = before.0.iter().find(|(known, _)| *known == upto);
            found.map_or(0, |(_, count)| *count)
        };
        let added = self
            .0
            .iter()
            .map(|(upto, count)| (*upto, count - earlier(*upto)));
        Self(added.collect())
    }

    /// The bound in seconds that 99 of 100 do not exceed: of the buckets the first that holds them.
    pub(in crate::bench) fn p99_at_most(&self) -> Option<f64> {
        let (_, all) = self.0.last()?;
        let enough = self.0.iter().find(|(_, count)| count * 100 >= all * 99);
        enough.filter(|_| *all > 0).map(|(upto, _)| *upto)
    }

    /// The share of those that took no longer than a bucket's bound, in percent.
    pub(in crate::bench) fn percent_within(&self, seconds: f64) -> Option<f64> {
        let (_, all) = self.0.last().filter(|(_, all)| *all > 0)?;
        let within = self.0.iter().rev().find(|(upto, _)| *upto <= seconds);
        Some(within.map_or(0, |(_, count)| *count) as f64 / *all as f64 * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# TYPE took histogram
took_bucket{le=\"0.001\",method=\"a\"} 980
took_bucket{le=\"0.0025\",method=\"a\"} 995
took_bucket{le=\"+Inf\",method=\"a\"} 1000
took_bucket{le=\"0.001\",method=\"b\"} 1
other_bucket{le=\"0.001\"} 7
";

    #[test]
    fn a_histogram_says_within_what_ninety_nine_of_a_hundred_were() {
        let took = Histogram::parse(TEXT, "took", "method=\"a\"");

        assert_eq!(took.p99_at_most(), Some(0.0025));
        assert_eq!(took.percent_within(0.001), Some(98.0));
        assert_eq!(took.since(&took).p99_at_most(), None);
        assert_eq!(Histogram::parse(TEXT, "none", "").p99_at_most(), None);
    }
}

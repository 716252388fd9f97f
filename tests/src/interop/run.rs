//! Runs scenarios one after the other and counts.

use std::time::{Duration, Instant};

use super::scenarios::Scenario;
use super::stage::Stage;

/// How long one scenario may take. Its steps have shorter limits of their own.
const SCENARIO: Duration = Duration::from_secs(180);

/// How it went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Scenarios that did what they should.
    pub passed: usize,
    /// Scenarios that did not.
    pub failed: usize,
}

impl Report {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
        }
    }
}

/// Runs `scenarios` on one stage and hands `tell` a line for each.
pub async fn run(stage: &Stage, scenarios: &[Scenario], tell: impl Fn(&str)) -> Report {
    let mut report = Report::default();
    for scenario in scenarios {
        let started = Instant::now();
        let outcome = tokio::time::timeout(SCENARIO, scenario.play(stage)).await;
        let took = started.elapsed().as_secs_f32();
        let name = scenario.name;
        match outcome {
            Ok(Ok(())) => {
                report.passed += 1;
                tell(&format!("ok      {name} ({took:.1} s)"));
            }
            Ok(Err(error)) => {
                report.failed += 1;
                tell(&format!("failed  {name} ({took:.1} s): {error:#}"));
            }
            Err(_elapsed) => {
                report.failed += 1;
                tell(&format!(
                    "failed  {name}: not done within {} s",
                    SCENARIO.as_secs()
                ));
            }
        }
    }
    report
}

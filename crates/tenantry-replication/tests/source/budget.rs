//! The budget on every plan: no 429, nearly all of our share used, the tenant's share left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tenantry_replication::clock::Clock;
use tenantry_replication::source::Source;
use tenantry_replication::source::auth0::Auth0;
use tenantry_simulator::{Config, Plan, Request};

use super::network::{Sent, Tenant, stream};

/// How long a run with more work than budget goes on.
const RUN: Duration = Duration::from_mins(4);
/// Time that counts.
const COUNTED: f64 = 180.0;
/// What happens at the start does not count: limits are not known yet.
const SETTLED: Duration = Duration::from_mins(1);

fn tenant(plan: Plan, latency: u64) -> Arc<Tenant> {
    let config = Config { users: 50, logs: 10, plan, log_own_traffic: false, ..Config::default() };
    Tenant::with(config, super::time::clock(), Duration::from_millis(latency))
}

/// Asks for records of these streams, six at a time of each, until the time is over.
fn saturate(tenant: &Arc<Tenant>, source: &Auth0, streams: &[&'static str]) {
    let workers = streams.iter().flat_map(|name| (0..6).map(move |_| *name)).map(|name| {
        let (tenant, source) = (Arc::clone(tenant), source.clone());
        async move {
            while tenant.clock.monotonic() < RUN {
                source.record(stream(name), "does_not_exist").await.expect("no request fails");
            }
        }
    });
    tenant.clock.run(futures::future::join_all(workers));
}

fn family(sent: &Sent) -> String {
    sent.path.split('/').nth(3).unwrap_or_default().to_owned()
}

/// Requests a second by first segment of the path, after the start.
fn rates(log: &[Sent]) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for sent in log.iter().filter(|sent| sent.at > SETTLED && sent.at <= RUN) {
        *counts.entry(family(sent)).or_insert(0.0) += 1.0;
    }
    counts.into_iter().map(|(family, count)| (family, count / COUNTED)).collect()
}

fn assert_calm(log: &[Sent]) {
    let refused = log.iter().filter(|sent| sent.status == 429 && sent.at > SETTLED).count();
    assert_eq!(refused, 0, "no 429 after the first minute");
    let early = log.iter().filter(|sent| sent.status == 429).count();
    assert_eq!(early, 0, "nor in it");
    for sent in log.iter().filter(|sent| sent.at > SETTLED) {
        let (limit, remaining) = sent.standing.expect("the plan tells its limits");
        assert!(
            remaining * 5 >= limit,
            "a fifth of each bucket is left: {remaining} of {limit} at {:?}",
            sent.at
        );
    }
}

/// Whether a rate is our share of a limit: at least 97 % of it, and at most a handful of requests too many, which find out how fast it fills.
fn assert_share(rate: f64, sustained: f64, what: &str) {
    let share = sustained * 0.8;
    assert!(
        rate >= share * 0.97 && rate <= share * 1.01 + 8.0 / COUNTED,
        "{what}: {rate:.3} of {share:.3} a second"
    );
}

#[test]
fn a_free_tenant_is_asked_one_and_a_half_times_a_second() {
    for latency in [20, 150] {
        let tenant = tenant(Plan::Free, latency);
        saturate(&tenant, &tenant.source(), &["users", "clients", "roles"]);
        let log = tenant.api_log();
        assert_calm(&log);
        assert_share(rates(&log).values().sum(), 2.0, &format!("all, at {latency} ms"));
    }
}

#[test]
fn an_enterprise_tenant_has_one_bucket_for_nearly_all() {
    for latency in [20, 150] {
        let tenant = tenant(Plan::Enterprise, latency);
        saturate(&tenant, &tenant.source(), &["users", "clients", "roles", "connections"]);
        let log = tenant.api_log();
        assert_calm(&log);
        assert_share(rates(&log).values().sum(), 16.0, &format!("all, at {latency} ms"));
    }
}

#[test]
fn an_essentials_tenant_has_a_bucket_for_each_group() {
    let tenant = tenant(Plan::Essentials, 40);
    saturate(&tenant, &tenant.source(), &["users", "clients", "connections", "roles", "logs"]);
    let log = tenant.api_log();
    assert_calm(&log);
    let rates = rates(&log);
    for (family, a_minute) in
        [("users", 500.0), ("clients", 100.0), ("connections", 50.0), ("roles", 150.0), ("logs", 100.0)]
    {
        assert_share(rates[family], a_minute / 60.0, family);
    }
}

#[test]
fn a_tenant_without_limits_is_not_paced() {
    let tenant = tenant(Plan::Unlimited, 50);
    saturate(&tenant, &tenant.source(), &["users", "clients"]);
    let all: f64 = rates(&tenant.api_log()).values().sum();
    assert!(all > 79.0, "eight at a time, a tenth of a second each: {all:.1} a second");
}

#[test]
fn our_own_limit_holds_where_the_tenant_has_none() {
    let tenant = tenant(Plan::Unlimited, 50);
    let source = tenant.source_with(|settings| settings.max_rps = Some(3.0));
    saturate(&tenant, &source, &["users", "clients"]);
    let all: f64 = rates(&tenant.api_log()).values().sum();
    assert!((2.95..=3.01).contains(&all), "{all:.3} a second");
}

#[test]
fn everything_may_be_used_where_nothing_is_to_be_left() {
    let tenant = tenant(Plan::Enterprise, 40);
    let source = tenant.source_with(|settings| settings.leave = 0.0);
    saturate(&tenant, &source, &["users", "clients", "roles"]);
    let log = tenant.api_log();
    assert!(log.iter().all(|sent| sent.status != 429));
    let all: f64 = rates(&log).values().sum();
    assert!((15.5..=16.1).contains(&all), "{all:.2} a second");
}

#[test]
fn the_tenants_own_traffic_comes_first() {
    // Somebody who knows no restraint uses 12 of the 16 requests a second.
    let tenant = tenant(Plan::Enterprise, 40);
    let source = tenant.source();
    let (ours, theirs) = (Arc::clone(&tenant), Arc::clone(&tenant));
    let request = Request::get("/api/v2/roles/does_not_exist");
    let (_, (sent, refused)) = tenant.clock.run(async {
        let us = (0..6).map(|_| async {
            while ours.clock.monotonic() < RUN {
                source
                    .record(stream("users"), "does_not_exist")
                    .await
                    .expect("we are never refused for good");
            }
        });
        let them = async {
            let (mut sent, mut refused) = (0, 0);
            while theirs.clock.monotonic() < RUN {
                theirs.clock.sleep(Duration::from_secs(1) / 12).await;
                let status =
                    theirs.with_simulation(|simulation, now| simulation.handle(&request, now).status);
                (sent, refused) = (sent + 1, refused + u32::from(status == 429));
            }
            (sent, refused)
        };
        futures::join!(futures::future::join_all(us), them)
    });
    assert!(refused <= sent / 500, "{refused} of {sent}");
    let log = tenant.api_log();
    assert!(log.iter().filter(|sent| sent.at > SETTLED).all(|sent| sent.status != 429));
    let rate = rates(&log)["users"];
    assert!((2.0..=4.0).contains(&rate), "we take what is left: {rate}");
}

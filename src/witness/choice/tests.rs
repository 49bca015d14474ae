use std::sync::Mutex;

use tokio::time::sleep;

use super::*;
use crate::proof::trust::signing_config::Rule;
use crate::service::{Said, ServiceName, Trouble};
use crate::support::runtime;

const LATE: Duration = Duration::from_millis(200);
const NOW: Duration = Duration::ZERO;
/// After all that is late.
const LATER: Duration = Duration::from_millis(600);

/// When a service answers, and whether it vouches.
type Manner = (Duration, Result<(), ()>);

const FAILS: Manner = (NOW, Err(()));
const IS_LATE: Manner = (LATER, Ok(()));
const IS_WELL: Manner = (NOW, Ok(()));

/// The services that vouched, the shown failure, and the services asked, in this order.
type Outcome = (Vec<usize>, Option<usize>, Vec<usize>);

/// An outcome, and the services whose requests were dropped.
struct Whole {
    outcome: Outcome,
    dropped: Vec<usize>,
}

fn error(index: usize) -> ServiceError {
    ServiceError {
        service: ServiceName::Log(index.to_string()),
        trouble: Trouble::NotReady {
            action: String::new(),
            answer: Said::default(),
        },
    }
}

fn outcome(rule: Rule, manners: &[Manner]) -> Outcome {
    whole(rule, manners).outcome
}

fn whole(rule: Rule, manners: &[Manner]) -> Whole {
    let service = |index| Service {
        url: format!("https://h/{index}/").parse().unwrap(),
        version: 1,
        operator: String::new(),
    };
    let choice = Choice {
        rule,
        services: (0..manners.len()).map(service).collect(),
    };
    let (order, vouching) = (Mutex::new(Vec::new()), Mutex::new(BTreeSet::new()));
    let index_of = |service: &Service| {
        let mut known = choice.services.iter();
        known.position(|known| known == service).unwrap()
    };
    let ask = |service: &Service| {
        let index = index_of(service);
        order.lock().unwrap().push(index);
        let (after, manner) = manners[index];
        let vouching = &vouching;
        async move {
            sleep(after).await;
            manner.map_err(|()| error(index))?;
            vouching.lock().unwrap().insert(index);
            Ok(index)
        }
    };
    let asked = runtime().block_on(super::ask(&choice, LATE, ask));
    let (vouched, failed, dropped) = match asked {
        Ok(Enough { answers, dropped }) => (answers, None, dropped),
        Err(error) => match error.service {
            ServiceName::Log(index) => {
                let vouched = vouching.lock().unwrap().iter().copied().collect();
                (vouched, Some(index.parse().unwrap()), Vec::new())
            }
            other => panic!("{other:?}"),
        },
    };
    Whole {
        outcome: (vouched, failed, order.into_inner().unwrap()),
        dropped: dropped.into_iter().map(index_of).collect(),
    }
}

/// EVD-95
#[test]
fn services_whose_requests_are_dropped_are_known() {
    for (manners, dropped) in [
        (&[IS_LATE, IS_WELL, IS_WELL][..], vec![0]),
        (&[IS_LATE, FAILS, IS_WELL], vec![0]),
        (&[IS_LATE, FAILS, FAILS], vec![]),
        // The late one answers first after all.
        (&[(LATE * 3 / 2, Ok(())), IS_LATE], vec![1]),
        (&[IS_WELL, IS_WELL], vec![]),
    ] {
        assert_eq!(whole(Rule::Any, manners).dropped, dropped, "{manners:?}");
    }
}

/// EVD-28, EVD-42
#[test]
fn a_service_that_nobody_can_take_the_place_of_is_not_given_up() {
    for (rule, manners) in [
        (Rule::All, &[IS_LATE, IS_LATE, IS_WELL][..]),
        (Rule::Exact(2), &[IS_LATE, IS_LATE]),
        (Rule::Any, &[IS_LATE]),
        // The spare is taken by another one meanwhile.
        (Rule::Exact(2), &[IS_LATE, FAILS, IS_WELL]),
        (Rule::Exact(2), &[IS_LATE, IS_LATE, FAILS]),
    ] {
        let (vouched, failed, asked) = outcome(rule, manners);
        let vouching = (0..manners.len()).filter(|&index| manners[index].1.is_ok());
        assert_eq!(
            vouched,
            vouching.collect::<Vec<_>>(),
            "{rule:?} {manners:?}"
        );
        assert_eq!((failed, asked.len()), (None, manners.len()), "{rule:?}");
    }
}

/// EVD-28, EVD-42
#[test]
fn another_service_is_asked_beside_one_that_is_late() {
    for (manners, vouched, asked) in [
        (&[IS_LATE, IS_WELL, IS_WELL][..], [1], vec![0, 1]),
        (&[IS_LATE, FAILS, IS_WELL], [2], vec![0, 1, 2]),
        (&[IS_LATE, FAILS, FAILS], [0], vec![0, 1, 2]),
        // One that is late and fails is replaced once.
        (&[(LATE * 2, Err(())), IS_LATE, IS_WELL], [2], vec![0, 1, 2]),
        (
            &[(LATE * 3 / 2, Err(())), (LATE * 3 / 4, Ok(())), IS_WELL],
            [1],
            vec![0, 1],
        ),
    ] {
        let outcome = outcome(Rule::Any, manners);
        assert_eq!(outcome, (vouched.into(), None, asked), "{manners:?}");
    }
}

/// EVD-39
#[test]
fn all_answers_are_awaited_before_a_failure() {
    let outcome = outcome(Rule::All, &[IS_LATE, FAILS, IS_WELL]);
    assert_eq!(outcome, (vec![0, 2], Some(1), vec![0, 1, 2]));
}

/// EVD-29: of a failure that another took the place of, a warning tells.
#[test]
fn the_failure_is_one_that_nobody_took_the_place_of() {
    let outcome = outcome(Rule::Exact(2), &[FAILS, IS_WELL, FAILS]);
    assert_eq!(outcome, (vec![1], Some(2), vec![0, 1, 2]));
}

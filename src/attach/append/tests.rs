//! Every interleaving of a few writers of one tag, by exhaustive exploration:
//! the protocol itself runs, the registry and the clock are modelled.
//!
//! The registry ignores conditions, as most do. Time is modelled by what the
//! settle time is for: a writer that has put, or has read what others put,
//! waits until every writer whose read was older than that has put as well.
//! [`Patience::Endless`] is such a writer that nobody waits for.

mod steps;

use std::collections::{BTreeSet, HashSet};

use super::super::place::Kind;
use super::*;
use crate::envelope::Layer;
use crate::envelope::media_type;
use crate::oci::{Manifest, MediaType};
use crate::store::registry::Answer;

fn place() -> Place {
    Place::new(
        "r.io/app".parse().unwrap(),
        Digest::of(b""),
        Kind::Signatures,
    )
}

fn layer(name: &str) -> SealedValue {
    let descriptor = Descriptor::of(media_type::SIMPLE_SIGNING, name.as_bytes());
    let content = name.as_bytes().to_vec().into();
    SealedValue::Layer(Layer {
        descriptor,
        content,
    })
}

/// Whether others wait long enough for a writer that is slow.
#[derive(Clone, Copy, PartialEq)]
enum Patience {
    Settled,
    Endless,
}

#[derive(Clone)]
enum Writer<'a> {
    NotStarted(&'a [SealedValue]),
    Ours(Append<'a>),
    /// One of ours whose put is under way for as long as it takes. Nobody waits
    /// for it; whatever stands long enough for somebody to be done is `seen`.
    Putting {
        append: Append<'a>,
        union: std::rc::Rc<Union>,
        seen: Vec<Descriptor>,
    },
    /// cosign: reads, puts, and looks no more.
    Foreign {
        layers: &'a [SealedValue],
        read: Option<Standing>,
        patience: Patience,
    },
    Done(&'a [SealedValue]),
}

#[derive(Clone)]
struct World<'a> {
    place: &'a Place,
    tag: Standing,
    writers: Vec<Writer<'a>>,
    /// By writer: whom it waits for before it reads back.
    stale: Vec<BTreeSet<usize>>,
    /// How many puts may still end without an answer.
    faults: u8,
    settle: Waits,
    puts: Puts,
}

/// How long the registry takes for a put of ours.
#[derive(Clone, Copy, PartialEq)]
enum Puts {
    AtOnce,
    /// As long as it likes.
    Slow {
        are_watched: bool,
    },
}

/// Whether the settle time is waited for.
#[derive(Clone, Copy, PartialEq)]
enum Waits {
    Yes,
    No,
}

impl<'a> World<'a> {
    fn new(place: &'a Place, writers: Vec<Writer<'a>>, faults: u8) -> Self {
        let stale = vec![BTreeSet::new(); writers.len()];
        Self {
            place,
            tag: Standing::Nothing,
            writers,
            stale,
            faults,
            settle: Waits::Yes,
            puts: Puts::AtOnce,
        }
    }

    /// All that distinguishes two worlds.
    fn key(&self) -> String {
        let writers = self.writers.iter().map(|writer| match writer {
            Writer::NotStarted(_) => "not started".to_owned(),
            Writer::Ours(append) => key_of(append),
            Writer::Putting { append, seen, .. } => format!("{} {seen:?}", key_of(append)),
            Writer::Foreign { read, .. } => {
                format!("{:?}", read.as_ref().map(|found| found.digest().cloned()))
            }
            Writer::Done(_) => "done".to_owned(),
        });
        let writers: Vec<String> = writers.collect();
        format!(
            "{:?} {writers:?} {:?} {}",
            self.tag.digest(),
            self.stale,
            self.faults
        )
    }

    /// Every world that one step of one writer leads to.
    fn steps(&self) -> Vec<World<'a>> {
        (0..self.writers.len())
            .flat_map(|index| self.step(index))
            .collect()
    }

    fn step(&self, index: usize) -> Vec<World<'a>> {
        match &self.writers[index] {
            Writer::Done(_) => Vec::new(),
            Writer::NotStarted(layers) => {
                let hanging = Hanging {
                    place: self.place,
                    layers,
                    superseded: &[],
                    media_types: MediaTypes::Oci,
                    found: self.tag.clone(),
                };
                let append = Append::new(hanging, Settling::Wanted);
                vec![self.with(index, Writer::Ours(append))]
            }
            Writer::Foreign {
                layers,
                read: None,
                patience,
            } => {
                let read = Some(self.tag.clone());
                vec![self.with(
                    index,
                    Writer::Foreign {
                        layers,
                        read,
                        patience: *patience,
                    },
                )]
            }
            Writer::Foreign {
                layers,
                read: Some(found),
                ..
            } => {
                let union = union(
                    self.place,
                    found,
                    Changes::default(),
                    layers,
                    MediaTypes::Oci,
                )
                .unwrap()
                .unwrap();
                let mut world = self.with(index, Writer::Done(layers));
                world.commit(index, union);
                vec![world]
            }
            Writer::Ours(append) => self.step_of_ours(index, append),
            Writer::Putting {
                append,
                union,
                seen,
            } => {
                let mut append = append.clone();
                let gone = seen.iter().filter(|l| !append.found.layers().contains(l));
                append.restore(gone.cloned().collect::<Vec<_>>());
                vec![self.after_put(index, &append, union, Put::Written, true)]
            }
        }
    }

    /// Everybody whose put is under way sees what stands there.
    fn see(&mut self) {
        for writer in &mut self.writers {
            if let Writer::Putting { seen, .. } = writer {
                let new = self.tag.layers().iter().filter(|l| !seen.contains(l));
                let new: Vec<Descriptor> = new.cloned().collect();
                seen.extend(new);
            }
        }
    }

    fn step_of_ours(&self, index: usize, append: &Append<'a>) -> Vec<World<'a>> {
        match append.next().unwrap() {
            Next::Done(_) => vec![self.with(index, Writer::Done(append.layers))],
            Next::Read(Wait::Settled)
                if self.settle == Waits::Yes && !self.stale[index].is_empty() =>
            {
                Vec::new()
            }
            Next::Read(_) => {
                let mut append = append.clone();
                // Nobody has put since this writer began to wait.
                let is_proof = match &append.state {
                    AppendState::Proving(put, _) => self.tag.digest() == Some(put),
                    AppendState::Merging => self.tag.digest() == append.found.digest(),
                    AppendState::Lost(_) => false,
                };
                append.saw(self.tag.clone());
                let mut world = self.with(index, Writer::Ours(append));
                // It has stood there for as long as anybody waits.
                if is_proof && self.puts == (Puts::Slow { are_watched: true }) {
                    world.see();
                }
                if !is_proof {
                    world.stale[index] = world.holding_a_read(index);
                }
                vec![world]
            }
            Next::Put(union, _) if self.puts != Puts::AtOnce => {
                let putting = Writer::Putting {
                    append: append.clone(),
                    union: (*union).into(),
                    seen: Vec::new(),
                };
                let mut world = self.with(index, putting);
                for stale in &mut world.stale {
                    stale.remove(&index);
                }
                vec![world]
            }
            Next::Put(union, _) => {
                let mut worlds = vec![self.after_put(index, append, &union, Put::Written, true)];
                if self.faults > 0 {
                    for is_committed in [true, false] {
                        let put = Put::Unclear("broken".to_owned());
                        let mut world = self.after_put(index, append, &union, put, is_committed);
                        world.faults -= 1;
                        worlds.push(world);
                    }
                }
                worlds
            }
        }
    }

    fn after_put(
        &self,
        index: usize,
        append: &Append<'a>,
        union: &Union,
        put: Put,
        is_committed: bool,
    ) -> Self {
        let mut append = append.clone();
        append
            .answered(union.manifest.digest().clone(), put)
            .unwrap();
        let mut world = self.with(index, Writer::Ours(append));
        if is_committed {
            world.tag = Standing::of(Kind::Signatures, union.manifest.clone());
            world.stale[index] = world.holding_a_read(index);
        }
        for stale in &mut world.stale {
            stale.remove(&index);
        }
        world
    }

    fn commit(&mut self, index: usize, union: Union) {
        self.tag = Standing::of(Kind::Signatures, union.manifest);
        for stale in &mut self.stale {
            stale.remove(&index);
        }
    }

    /// The others that have read and are going to put what they made of it.
    fn holding_a_read(&self, index: usize) -> BTreeSet<usize> {
        let is_holding = |writer: &Writer<'_>| match writer {
            Writer::Ours(append) => matches!(append.next(), Ok(Next::Put(..))),
            Writer::Foreign { read, patience, .. } => {
                read.is_some() && *patience == Patience::Settled
            }
            Writer::NotStarted(_) | Writer::Putting { .. } | Writer::Done(_) => false,
        };
        let others = self.writers.iter().enumerate();
        others
            .filter(|(other, writer)| *other != index && is_holding(writer))
            .map(|(other, _)| other)
            .collect()
    }

    fn with(&self, index: usize, writer: Writer<'a>) -> Self {
        let mut world = self.clone();
        world.writers[index] = writer;
        world
    }

    fn lost(&self) -> bool {
        let done = |writer: &Writer<'a>| match writer {
            Writer::Done(layers) => Some(*layers),
            _ => None,
        };
        self.writers
            .iter()
            .filter_map(done)
            .flatten()
            .any(|layer| !self.tag.holds(layer))
    }
}

fn key_of(append: &Append<'_>) -> String {
    format!(
        "{:?} {:?} {:?} {:?}",
        append.state,
        append.settling,
        append.found.digest(),
        append.erased
    )
}

/// Explores everything; gives the number of worlds and those at the end of
/// which somebody's layer is missing.
fn explore(start: World<'_>) -> (usize, usize) {
    let mut seen = HashSet::new();
    let mut open = vec![start];
    let (mut ends, mut losses) = (0, 0);
    while let Some(world) = open.pop() {
        if !seen.insert(world.key()) {
            continue;
        }
        let next = world.steps();
        if next.is_empty() {
            assert!(
                world
                    .writers
                    .iter()
                    .all(|writer| matches!(writer, Writer::Done(_))),
                "somebody waits for ever"
            );
            ends += 1;
            losses += usize::from(world.lost());
        }
        open.extend(next);
    }
    assert!(ends > 0);
    (seen.len(), losses)
}

/// WIRE-50.
#[test]
fn two_and_three_of_our_writers_lose_nothing_in_any_order() {
    let place = place();
    let layers: Vec<[SealedValue; 1]> = ["a", "b", "c"].map(|name| [layer(name)]).to_vec();
    for (count, faults) in [(1, 2), (2, 0), (2, 2), (3, 0), (3, 1)] {
        let writers = layers.iter().take(count).map(|l| Writer::NotStarted(l));
        let (worlds, losses) = explore(World::new(&place, writers.collect(), faults));
        assert_eq!(losses, 0, "{count} writers, {faults} faults");
        assert!(count == 1 || worlds > 10, "{worlds}");
    }
}

/// WIRE-50, WIRE-52.
#[test]
fn our_writers_lose_nothing_however_long_their_puts_take_if_they_are_watched() {
    let place = place();
    let layers: Vec<[SealedValue; 1]> = ["a", "b", "c"].map(|name| [layer(name)]).to_vec();
    for count in [2, 3] {
        let losses = [true, false].map(|are_watched| {
            let writers = layers.iter().take(count).map(|l| Writer::NotStarted(l));
            let mut start = World::new(&place, writers.collect(), 0);
            start.puts = Puts::Slow { are_watched };
            explore(start).1
        });
        assert_eq!(losses[0], 0, "{count} writers");
        assert!(losses[1] > 0, "{count} writers");
    }
}

/// WIRE-50.
#[test]
fn our_writers_survive_a_foreign_one_that_writes_within_the_settle_time() {
    let place = place();
    let [a, b, c] = ["a", "b", "c"].map(|name| [layer(name)]);
    let foreign = Writer::Foreign {
        layers: &c,
        read: None,
        patience: Patience::Settled,
    };
    let writers = vec![Writer::NotStarted(&a), Writer::NotStarted(&b), foreign];
    assert_ours_survive(World::new(&place, writers, 0), &[&a, &b]);
}

/// A foreign writer may lose its own layer: it reads nothing back.
fn assert_ours_survive(start: World<'_>, ours: &[&[SealedValue; 1]]) {
    let mut seen = HashSet::new();
    let mut open = vec![start];
    while let Some(world) = open.pop() {
        if seen.insert(world.key()) {
            let next = world.steps();
            if next.is_empty() {
                for layers in ours {
                    assert!(world.tag.holds(&layers[0]));
                }
            }
            open.extend(next);
        }
    }
}

/// WIRE-50: one of them erases us, another one reads that, one of ours brings us
/// back, and the second one writes on what it had read.
#[test]
fn our_writers_survive_foreign_ones_that_write_on_each_other() {
    let place = place();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| [layer(name)]);
    let foreign = |layers| Writer::Foreign {
        layers,
        read: None,
        patience: Patience::Settled,
    };
    let ours = [&a, &b].map(|layers| Writer::NotStarted(layers));
    let writers = ours.into_iter().chain([&c, &d].map(|l| foreign(l)));
    assert_ours_survive(World::new(&place, writers.collect(), 0), &[&a, &b]);
}

/// Why there is a settle time.
#[test]
fn without_the_settle_time_our_own_writers_can_lose() {
    let place = place();
    let [a, b] = ["a", "b"].map(|name| [layer(name)]);
    let writers = vec![Writer::NotStarted(&a[..]), Writer::NotStarted(&b)];
    let mut start = World::new(&place, writers, 0);
    start.settle = Waits::No;
    assert!(explore(start).1 > 0);
}

/// The hole that `spec/wire.md` documents: a foreign writer that read before us
/// and writes after our settle time.
#[test]
fn a_foreign_writer_that_is_slower_than_the_settle_time_can_erase_us() {
    let place = place();
    let [a, b] = ["a", "b"].map(|name| [layer(name)]);
    let foreign = Writer::Foreign {
        layers: &b,
        read: None,
        patience: Patience::Endless,
    };
    let (_, losses) = explore(World::new(&place, vec![Writer::NotStarted(&a), foreign], 0));
    assert!(losses > 0);
}

//! Runs the built `signer` against registries and verifiers that are not ours.
//!
//! `make tools` installs the real registries and both majors of cosign; what takes
//! longer, and is left out where it is missing, `make readers`, `make services` and
//! `make witnesses`.
//! `support` is what the tests stand on; programs that are no tests are in `tools/`.
//!
//! | question | file |
//! |---|---|
//! | Does the identity of a machine in its cloud open that cloud's registry? | `ambient` |
//! | Which entries of an SBOM layer are read where readers could disagree? | `archives` |
//! | Do keys in AWS KMS sign, whoever vouches for us there? | `aws` |
//! | What do keys of Azure Key Vault sign, as whom, and what when not? | `azure` |
//! | How many requests and instructions does a run cost? | `baselines` |
//! | How do memory and work grow with what is read? | `big` |
//! | What do `format = "bundle"` and `"both"` write? | `bundles` |
//! | Does a certificate of one's own stand with signatures, and which is refused? | `certificate` |
//! | What is found wrong before anything is written? | `check` |
//! | How do flags, environment and output behave? | `command_line` |
//! | Where do credentials come from, and where do they go? | `credentials` |
//! | Do many signers at once all keep their signatures? | `crowd` |
//! | Do the lines that `make demo` prints work? | `demo` |
//! | Do the documents say what is so? | `docs` |
//! | What is shown when a host repeats what it was shown? | `echoes` |
//! | Which exit code has each outcome? | `exit_codes` |
//! | How does a run end when something goes wrong on the way? (a table of its own) | `faults` |
//! | What does signing in one form do to signatures of others in the other form? | `formats` |
//! | What do keys of Google Cloud KMS sign, as whom, and what when not? | `google` |
//! | Can the tests' own registry and readers be believed? | `harness` |
//! | What is mended or refused where readers would not find our signature? | `hidden` |
//! | What does a failed run tell its operator to do? | `hints` |
//! | Which `report.toml` and `cosign.toml` are refused? | `inputs` |
//! | Do both majors of cosign verify what hangs on every recorded image? | `interop` |
//! | Is evidence that stands there kept, and what lacks added, once? | `kept` |
//! | What does `-generate-key-pair` write? | `key_pair` |
//! | Do certificates for identities hold, in every form and for every cosign? | `keyless` |
//! | Which keys and passwords are accepted? | `keys` |
//! | What may a module, and the package, depend on? | `layering` |
//! | How is a limit raised, and how is it named? | `limits` |
//! | Do logs keep our signatures, and what if their answers do not hold? | `logs` |
//! | Which cosign accepts which format, with which kind of key? | `matrix` |
//! | Which secrets are in memory once everything is signed? | `memory` |
//! | Does `docs/troubleshooting.md` have every message? | `messages` |
//! | What does an independent client read back? | `oci_client` |
//! | What does a release hold? | `packaging` |
//! | What does a key in a token sign, by `sigstore-kms-pkcs11`? | `pkcs11` |
//! | Which commit does a plain build name? | `plain_build` |
//! | Do plugins, programs and keys in variables sign? | `programs` |
//! | Do the files of `docs/platforms` work as they stand? | `platforms` |
//! | What do verifiers accept that are not cosign? | `readers` |
//! | Does signing work on registries that are not ours? | `real_registries` |
//! | What does the receipt say? | `receipt` |
//! | Where may a receipt go? | `receipt_places` |
//! | Where are bundles listed? | `referrers` |
//! | What does a second run write? | `rerun` |
//! | What does the log say of a run that goes well? | `said` |
//! | What becomes of the image's SBOM? | `sbom` |
//! | Does anything secret come out? | `secrets` |
//! | Can the services be believed that hold keys in tests? | `services` |
//! | What is signed elsewhere, between two runs? | `signed_elsewhere` |
//! | What hangs on an image, byte for byte? | `sign` |
//! | Has every requirement, fault and mistake its test? | `specification` |
//! | How does a run do with few threads, descriptors and readers? | `starved` |
//! | Do keys that Kubernetes and GitLab keep sign? | `stored` |
//! | Who verifies timestamps, and what if an authority's answer proves nothing? | `timestamps` |
//! | Which trusted roots and signing configs are refused? | `trust` |
//! | Do keys of Vault and OpenBao sign? | `vault` |
//! | Which requests are sent, in which order? | `wire` |
//! | Which verifiers accept which evidence, in which format, with which kind of key? | `witnessed` |
//! | Can the witnesses of the tests be believed? | `witnesses` |
//! | Who is asked to vouch for signatures, when, and how often? | `witnessing` |
//! | Do README.md and `docs/install.md` work, word by word? | `word_by_word` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

/// Packs releases; `packaging` tries it.
#[path = "tools/release/mod.rs"]
mod release;
mod support;

mod ambient;
mod archives;
mod aws;
mod azure;
mod baselines;
mod big;
mod bundles;
mod certificate;
mod check;
mod command_line;
mod credentials;
mod crowd;
mod demo;
mod docs;
mod echoes;
mod exit_codes;
mod faults;
mod formats;
mod google;
mod harness;
mod hidden;
mod hints;
mod inputs;
mod interop;
mod kept;
mod key_pair;
mod keyless;
mod keys;
mod layering;
mod limits;
mod logs;
mod matrix;
mod memory;
mod messages;
mod oci_client;
mod packaging;
mod pkcs11;
mod plain_build;
mod platforms;
mod programs;
mod readers;
mod real_registries;
mod receipt;
mod receipt_places;
mod referrers;
mod rerun;
mod said;
mod sbom;
mod secrets;
mod services;
mod sign;
mod signed_elsewhere;
mod specification;
mod starved;
mod stored;
mod timestamps;
mod trust;
mod vault;
mod wire;
mod witnessed;
mod witnesses;
mod witnessing;
mod word_by_word;

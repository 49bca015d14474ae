//! Which file is Docker's configuration, and what is said of one that is of no use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{
    ConfigCandidate, ConfigLocations, CredentialsError, Located, MAX_LENGTH, Naming, Source,
    Sources, cnb, find, found,
};

#[test]
fn the_file_is_looked_for_where_go_containerregistry_does() {
    let paths = |locations: ConfigLocations| -> Vec<String> {
        let candidates = locations.candidates();
        candidates
            .iter()
            .map(|candidate| candidate.path.display().to_string())
            .collect()
    };
    let home = || ConfigLocations {
        home: Some("/h".into()),
        ..ConfigLocations::default()
    };
    assert_eq!(
        paths(home()),
        ["/h/.docker/config.json", "/h/.config/containers/auth.json"]
    );
    assert_eq!(
        paths(ConfigLocations {
            docker_config: Some("/d".into()),
            registry_auth_file: Some("/r.json".into()),
            xdg_runtime_dir: Some("/run/1".into()),
            xdg_config_home: Some("/c".into()),
            ..home()
        }),
        [
            "/d/config.json",
            "/r.json",
            "/run/1/containers/auth.json",
            "/c/containers/auth.json"
        ]
    );
    assert!(paths(ConfigLocations::default()).is_empty());
    assert!(
        paths(ConfigLocations {
            home: Some("".into()),
            docker_config: Some("".into()),
            registry_auth_file: Some("".into()),
            xdg_runtime_dir: Some("".into()),
            xdg_config_home: Some("".into()),
        })
        .is_empty()
    );
}

/// The file that is found where these are looked for, and those passed over.
fn locate(naming: Naming, paths: &[PathBuf]) -> Result<Located, CredentialsError> {
    let candidates = paths.iter().map(|path| ConfigCandidate {
        path: path.clone(),
        naming,
    });
    Located::first_of(&candidates.collect::<Vec<_>>())
}

#[test]
fn the_first_readable_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("file"), "{}").unwrap();
    fs::write(path("long"), vec![b' '; MAX_LENGTH + 1]).unwrap();
    let read = |names: &[&str]| {
        let paths: Vec<_> = names.iter().map(|name| path(name)).collect();
        let located = locate(Naming::Custom, &paths)?;
        let file = located.file;
        Ok::<_, CredentialsError>(file.map(|file| (file.path, file.bytes.expose().to_vec())))
    };
    let the_file = Some((path("file"), b"{}".to_vec()));
    assert_eq!(read(&[]).unwrap(), None);
    assert_eq!(read(&["absent", "file/config.json", "."]).unwrap(), None);
    assert_eq!(
        read(&["absent", "file/x", ".", "file", "long"]).unwrap(),
        the_file
    );
    assert!(matches!(
        read(&["long", "file"]).unwrap_err(),
        CredentialsError::TooLong(Source::DockerConfig(_))
    ));
}

/// Every way in which a file can be no use, with the words for it, and whether
/// there is something that was meant to be read.
fn unusable_files(folder: &Path) -> Vec<(PathBuf, &'static str, bool)> {
    let make = |name: &str| {
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        folder.join("config.json")
    };
    let (file, pipe, other, old) = (make("file"), make("pipe"), make("other"), make("old"));
    let (config, link) = (make("folder"), make("link"));
    fs::create_dir(&config).unwrap();
    fs::write(&file, "{}").unwrap();
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("/nothing/here", &link).unwrap();
    fs::write(other.with_file_name(".dockerconfigjson"), "{}").unwrap();
    fs::write(old.with_file_name(".dockercfg"), "{}").unwrap();
    let looped = folder.join("loop");
    std::os::unix::fs::symlink(&looped, &looped).unwrap();
    vec![
        (config, "it is a folder", true),
        (pipe, "it is not a file", true),
        (file.join("config.json"), "its folder is a file", false),
        (link, "it is a link to nothing", false),
        (looped, "too many", false),
        (other, "`.dockerconfigjson` beside it is", true),
        (old, "`.dockercfg` beside it is", true),
    ]
}

#[tokio::test]
async fn a_file_of_a_home_that_is_no_use_is_named_when_a_credential_is_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (path, reason, is_there) in unusable_files(folder.path()) {
        let sources = || Sources {
            docker_config: locate(Naming::Custom, std::slice::from_ref(&path)).unwrap(),
            ..cnb(r#"{"r.io": "Bearer t"}"#)
        };
        // With another credential no file is needed.
        assert_eq!(found(sources(), "r.io/app").await, "bearer t");
        let shown = match find(sources(), "other.io/app").await {
            Ok(credential) => {
                assert!(!is_there, "{credential}");
                credential.to_string()
            }
            Err(error) => {
                assert!(is_there, "{error}");
                error.to_string()
            }
        };
        for words in [reason, path.to_str().unwrap()] {
            assert!(
                shown.to_lowercase().contains(&words.to_lowercase()),
                "{shown}"
            );
        }
    }
}

#[tokio::test]
async fn a_file_that_a_variable_names_and_that_is_no_use_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (path, reason, _) in unusable_files(folder.path()) {
        let located = locate(Naming::Variable, std::slice::from_ref(&path));
        let error = match located {
            Err(error) => error.to_string(),
            // Docker takes an absent file for an empty one.
            Ok(docker_config) => {
                let sources = Sources {
                    docker_config,
                    ..Sources::default()
                };
                match find(sources, "r.io/app").await {
                    Err(error) => error.to_string(),
                    Ok(credential) if reason.contains("link") => credential.to_string(),
                    Ok(credential) => panic!("{credential}"),
                }
            }
        };
        for words in [reason, path.to_str().unwrap()] {
            assert!(
                error.to_lowercase().contains(&words.to_lowercase()),
                "{error}"
            );
        }
    }
    let absent = folder.path().join("absent/config.json");
    let sources = Sources {
        docker_config: locate(Naming::Variable, &[absent]).unwrap(),
        ..Sources::default()
    };
    assert_eq!(found(sources, "r.io/app").await, "anonymous");
}

#[tokio::test]
async fn each_place_of_the_file_is_named_with_what_it_gave() {
    let folder = tempfile::tempdir().unwrap();
    let shown = async |locations: ConfigLocations| {
        let docker_config = Located::first_of(&locations.candidates()).unwrap();
        let sources = Sources {
            docker_config,
            ..Sources::default()
        };
        find(sources, "r.io/app").await.unwrap().to_string()
    };
    let variables = "CNB_REGISTRY_AUTH: not set; DOCKER_AUTH_CONFIG: not set";
    let nowhere = shown(ConfigLocations::default()).await;
    assert_eq!(
        nowhere,
        format!("anonymous ({variables}; `~/.docker/config.json`: HOME is not set)")
    );
    let home = folder.path().to_owned();
    let of_home = ConfigLocations {
        home: Some(home.clone()),
        ..ConfigLocations::default()
    };
    let (docker, podman) = (".docker/config.json", ".config/containers/auth.json");
    let [docker, podman] = [docker, podman].map(|name| home.join(name));
    let absent = |path: &Path| format!("`{}`: it is not there", path.display());
    assert_eq!(
        shown(of_home.clone()).await,
        format!(
            "anonymous ({variables}; {}; {})",
            absent(&docker),
            absent(&podman)
        )
    );
    // In the order in which they are looked at: the first that is there counts.
    fs::create_dir_all(podman.parent().unwrap()).unwrap();
    fs::write(&podman, r#"{"auths": {"r.io": {"registrytoken": "t"}}}"#).unwrap();
    assert_eq!(
        shown(of_home).await,
        format!(
            "the registry token for `r.io` in `{}` (before it, {variables}; {})",
            podman.display(),
            absent(&docker)
        )
    );
}

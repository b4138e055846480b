//! The files of the repository.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// The repository that the command runs in.
#[derive(Debug)]
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// Looks for the directory with `template.yaml`, from the working directory upwards.
    ///
    /// # Errors
    /// [`Failure::Outside`] when there is none.
    pub fn find() -> Result<Self, Failure> {
        let here = env::current_dir()?;
        let root =
            here.ancestors().find(|path| path.join("template.yaml").is_file()).ok_or(Failure::Outside)?;
        Ok(Self { root: root.to_owned() })
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The text of a file.
    ///
    /// # Errors
    /// [`Failure::File`] when it cannot be read.
    pub fn read(&self, file: &str) -> Result<String, Failure> {
        let path = self.root.join(file);
        fs::read_to_string(&path).map_err(|source| Failure::File { path, source })
    }

    /// Replaces the text of a file.
    ///
    /// # Errors
    /// [`Failure::File`] when it cannot be written.
    pub fn write(&self, file: &str, text: &str) -> Result<(), Failure> {
        let path = self.root.join(file);
        fs::write(&path, text).map_err(|source| Failure::File { path, source })
    }

    /// The files directly in a directory, as paths below the root; none when it does not exist.
    ///
    /// # Errors
    /// [`Failure::File`] when it cannot be read.
    pub fn list(&self, directory: &str) -> Result<BTreeSet<String>, Failure> {
        let path = self.root.join(directory);
        if !path.is_dir() {
            return Ok(BTreeSet::new());
        }
        let failed = |source| Failure::File { path: path.clone(), source };
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            found.insert(format!("{directory}/{}", name.to_string_lossy()));
        }
        Ok(found)
    }
}

//! The plugin in a file of its own, which Envoy takes while it runs: `envoy/settings/plugin-file.yaml`.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::servers::{Envoy, demo_config, manager, module, project};

/// The plugin in a file of its own, as `envoy/settings/plugin-file.yaml` shows it.
pub struct PluginFile {
    dir: TempDir,
    pub content: Value,
}

impl PluginFile {
    const NAME: &str = "plugin-file.yaml";

    pub fn new(settings: &Value) -> Self {
        let text = std::fs::read_to_string(project("envoy/settings/plugin-file.yaml")).unwrap();
        let mut content: Value = serde_yaml_ng::from_str(&text).unwrap();
        let code = content.pointer_mut("/resources/0/typed_config/config/vm_config/code/local/filename");
        *code.unwrap() = json!(module());
        let mut file = Self { dir: TempDir::new().unwrap(), content };
        file.write(settings);
        file
    }

    /// Puts a new version of the file in the place of the old one, by a rename.
    pub fn write(&mut self, settings: &Value) {
        self.content["resources"][0]["typed_config"]["config"]["configuration"]["value"] = settings.clone();
        let new = self.dir.path().join("new");
        std::fs::write(&new, self.content.to_string()).unwrap();
        std::fs::rename(new, self.dir.path().join(Self::NAME)).unwrap();
    }

    /// The example, with the filter as the comment in `plugin-file.yaml` says.
    pub fn config(&self, kinto: u16) -> Value {
        let text = std::fs::read_to_string(project("envoy/settings/plugin-file.yaml")).unwrap();
        let comment =
            text.lines().filter_map(|line| line.strip_prefix("#   ")).collect::<Vec<_>>().join("\n");
        let filter: Value = serde_yaml_ng::from_str(&comment).unwrap();
        let mut config = demo_config(kinto);
        let listener = &mut config["static_resources"]["listeners"][0];
        manager(listener)["http_filters"][0] = filter[0].clone();
        let path = "/http_filters/0/config_discovery/config_source/path_config_source/path";
        *manager(listener).pointer_mut(path).unwrap() = json!(self.dir.path().join(Self::NAME));
        config["node"] = json!({"id": "kinto", "cluster": "kinto"});
        config
    }

    pub fn envoy(&self, kinto: u16, options: &[&str]) -> Envoy {
        Envoy::start_with(&self.config(kinto), options)
    }
}

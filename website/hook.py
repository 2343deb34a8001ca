"""MkDocs hooks of this site, named under `hooks` in mkdocs.yml: generate pages from the code, and run the checks."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from pipeline.ground.paths import ROOT
from website.checks import documented_modules, loaded_from_elsewhere, undocumented
from website.commands import commands_page
from website.params_page import params_page


def on_pre_build(config: MkDocsConfig) -> None:
    """Raises PluginError if a documented module has a public name without a docstring."""
    modules = documented_modules(Path(config.docs_dir))
    found = [name for module in modules for name in undocumented(ROOT / f"{module.replace('.', '/')}.py")]
    if found:
        raise PluginError("public names without a docstring:\n" + "\n".join(found))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not in docs/."""
    pages = {
        "index.md": from_top("README.md"),
        "reference/commands.md": commands_page(),
        "reference/params.md": params_page(),
        "contributing.md": from_top("CONTRIBUTING.md"),
        "changes.md": from_top("CHANGELOG.md"),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def from_top(name: str) -> str:
    """A page from the top folder, with its links made relative to docs/."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
    return text.replace("](CONTRIBUTING.md", "](contributing.md").replace("](CHANGELOG.md", "](changes.md")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Returns the text unchanged. Hides the side navigation of a page that is alone in its tab."""
    if page.parent is None:
        page.meta.setdefault("hide", ["navigation"])
    return markdown


def on_post_build(config: MkDocsConfig) -> None:
    """Raises PluginError if a page loads anything over the network."""
    if found := loaded_from_elsewhere(Path(config.site_dir)):
        raise PluginError("the site has to work without a network, and loads:\n" + "\n".join(found))

"""The documentation site: pages that are generated from the code, and checks of the site. Other pages are in docs/."""

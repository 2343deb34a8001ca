"""The documentation site: pages made from the code, and checks of the result. The other pages are in docs/."""

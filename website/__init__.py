"""What the documentation site has beside the pages in docs/: pages made from the code, and checks of the result."""

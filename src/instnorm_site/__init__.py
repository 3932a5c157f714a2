"""What turns the pages of the book into a site: the Sphinx extensions, a slim theme, the PDF."""

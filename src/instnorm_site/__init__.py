"""What turns the pages of the book into a site: the Sphinx extensions, a slim theme, the PDF.

`in_page` runs in the reader's browser, and imports nothing of Sphinx or of the other modules here.
"""

"""The pages for editors and operators, under /pages/: made on the server, used without JavaScript too. docs/review-pages.md."""

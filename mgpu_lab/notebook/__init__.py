"""What a learner types and sees: magics, completion, output, live views, the export to a script."""

"""The one page for each retraining, `reports/index.html`, rendered from the files of the stages."""

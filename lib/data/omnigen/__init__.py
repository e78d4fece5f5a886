"""Making a dataset with OmniGen: prompts, plan, job, pipeline."""

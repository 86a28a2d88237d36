"""From a request to rows: episodes with their images, a plan of jobs, and where the jobs run."""

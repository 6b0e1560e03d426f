"""From the jobs of another scheduler to job files, with a proof that they fire as before.

A reader (`crontab`, `celery`, `apscheduler`, `medusa`) makes frozen values of a file: for each job
the configs that may mean the same, and the firings of its own engine. `importer` takes the config
whose firings are the same, `job_file_text` writes it down, `writing` puts it into the folder.
"""

"""What follows a commit: log lines, long polls and the live page. Nothing in here changes a job."""

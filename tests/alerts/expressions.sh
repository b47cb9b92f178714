# The queries of the dashboard and the rules. Sourced; needs $source_dir.
# shellcheck shell=bash disable=SC2154,SC2034,SC2016

dashboard=$source_dir/deploy/grafana/assay.json
rules=$source_dir/deploy/alerts/assay.yaml
questions=$source_dir/deploy/alerts/questions.yaml

# One query a line, for every replica.
dashboard_queries() {
  sed -n 's/^ *"expr": "\(.*\)",\{0,1\}$/\1/p' "$dashboard" | sed 's/\\"/"/g; s/\$instance/.*/g'
}

rule_queries() { sed -n 's/^ *expr: "\(.*\)"$/\1/p' "$rules" | sed 's/\\"/"/g'; }
question_queries() { sed -n 's/^ *expr: "\(.*\)"$/\1/p' "$questions" | sed 's/\\"/"/g'; }

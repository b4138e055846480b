# Everything is in infra/local; these are only the names. Rust, Python 3.11, Node and make are all that is needed.
LOCAL := python3 infra/local/start.py

.DEFAULT_GOAL := help
.PHONY: help run test watch prove simulate bench fmt generate deploy

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build, deploy to a local AWS, load demo data and serve until Ctrl-C
	@$(LOCAL) run

test: ## Run every check, from formatting to the deployed stack; STAGES="fmt clippy" for some
	@$(LOCAL) test $(STAGES)

watch: ## The same local AWS, with the functions under cargo lambda watch (hot reload)
	@$(LOCAL) watch

prove: ## Hundreds of concurrent buyers against the deployed stack; ARGS="--buyers 100 --units 10"
	@$(LOCAL) prove $(ARGS)

simulate: ## Random histories with faults at every boundary, decided by a seed; ARGS="--seed 1 --histories 20000"
	@$(LOCAL) simulate $(ARGS)

bench: ## Measure size, start, latency, CPU, memory and DynamoDB use
	@$(LOCAL) bench

fmt: ## Format the code
	@$(LOCAL) fmt

generate: ## Write what is made from template.yaml: the watch router and missing sample events
	@$(LOCAL) generate

deploy: ## Build for arm64 and deploy to AWS; STAGE=dev, staging or prod
	@$(LOCAL) deploy $(STAGE)

#!/usr/bin/env bash
# Write ./secrets for docker-compose.yml: random passwords and the files made from them. What exists is kept.
#   config/compose/make-secrets.sh [FOLDER]          CUSTODY_CHAINS names the chains (default regtest)
set -euo pipefail
IFS=$', \n'

folder=${1:-secrets}
# Bitcoin's node has its own names for the chains.
chain=
for network in ${CUSTODY_CHAINS:-regtest}; do
  case $network in
    mainnet) chain=main ;;
    testnet) chain=test ;;
    signet | regtest) chain=$network ;;
    ethereum) ;;
    *) echo "error: CUSTODY_CHAINS: accepted are mainnet, testnet, signet, regtest, ethereum" >&2; exit 2 ;;
  esac
done
[ -n "$chain" ] || { echo "error: CUSTODY_CHAINS: names no Bitcoin network; the stack has its node" >&2; exit 2; }

mkdir -p "$folder"
# Only you can enter the folder; containers see single files of it, under accounts of their own, so those are readable.
chmod 700 "$folder"
cd "$folder"

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { if [ ! -e "$1" ]; then cat >"$1"; chmod 444 "$1"; else cat >/dev/null; fi; }

for name in postgres_password owner_password app_password broker_password bitcoin_password seal_key ethereum_payer_key geth_jwt metrics_token; do
  random | keep "$name"
done
printf 'postgresql+psycopg://custody_owner:%s@postgres:5432/custody' "$(cat owner_password)" | keep owner_database_url
printf 'postgresql+psycopg://custody_app:%s@postgres:5432/custody' "$(cat app_password)" | keep database_url
printf 'redis://:%s@valkey:6379/0' "$(cat broker_password)" | keep broker_url
printf 'http://custody:%s@bitcoind:8332' "$(cat bitcoin_password)" | keep bitcoin_rpc_url
printf 'http://geth:8545' | keep ethereum_rpc_url

# No notices by mail until you name a server here: smtps://user:password@host:465.
printf '' | keep mail_url

keep broker_conf <<CONF
bind * -::*
port 6379
requirepass $(cat broker_password)
save ""
appendonly no
maxmemory-policy noeviction
CONF

keep bitcoin_conf <<CONF
chain=$chain
[$chain]
server=1
txindex=0
rpcuser=custody
rpcpassword=$(cat bitcoin_password)
rpcbind=0.0.0.0
rpcallowip=0.0.0.0/0
rpcport=8332
zmqpubhashblock=tcp://0.0.0.0:28332
zmqpubrawtx=tcp://0.0.0.0:28332
zmqpubsequence=tcp://0.0.0.0:28332
CONF

# Nobody may call the API before you name the callers and their tokens here.
echo '{"callers": []}' | keep api_tokens
echo "secrets are in $folder; now name the API's callers in $folder/api_tokens"

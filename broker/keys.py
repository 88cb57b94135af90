"""Every Redis key that Hookline writes.

    key                               type    what                                            expires
    webhooks:raw                      stream  raw batches: fields n (bodies), z (the batch);  never; XDEL'ed
                                              group `workers`
    dedupe:{source}:{day}:{bucket}    set     identities seen: 63-bit integers; day = days    after the window
                                              since 1970 of the event's own time
    arq:queue                         zset    job ids by the time they are due                never
    arq:job:{id}                      string  a job                                           never
    arq:in-progress:{id}              string  the lease of a running job: its owner           after the lease
    notify:claims                     hash    when workers last claimed jobs: see claim.lua   after a minute
    arq:retry:{id}                    string  how often arq started a job                     a day
    arq:health-check:{worker}         string  a sign of life                                  seconds
    notify:done:{job}                 set     indices of a job that are settled               with the job
    digest:{id}                       list    events that wait for the end of their window,   when empty
                                              packed: see broker/digests.py
    digests                           zset    digests by the time their window ends           when empty
    latest:{id}                       hash    the newest event notified of a subject, and     a month
                                              whose turn it is: see broker/latest.py
    stranger:{job or entry}           string  when a worker first met what it did not         pass_on_s after that
                                              understand: others may                          and an hour
    notify:held:{job}                 string  for how long its channel did not take a job, ms with the job
    channel:{name}                    hash    breaker and pause of a channel that is not      when all is well
                                              simply well: see broker/channels.py
    held:{name}                       zset    jobs held until their channel takes them, by    when empty
                                              the time since when
    channels                          set     names of the channels that have one of these    when empty
    rate:{name}                       string  up to when a channel's sends are given away     after that time
    dead:{id}                         string  a dead letter with its body: see                never
                                              broker/lua/graves.lua
    dead:notes:{id}                   string  what people noted on it (msgpack)               with the letter
    dead:index                        zset    dead letter ids by time                         never
    dead:facets                       hash    what dead letters have in common, by its id     never
    dead:by:{facets}                  zset    the ids of those that have it, by time          when empty
    dead:dict:{dictionary}            string  a letter that others are packed against         never
    dead:dicts                        hash    how many letters each of them serves            never
    dead:find:{bucket}                zset    tokens of what people search for, each with     when empty
                                              the id of a letter: see broker/lua/graves.lua
    dead:find:key                     string  what tokens are hashed with                     never
    dead:revive                       set     letters that a redelivery brings back           when empty
    dead:groups                       zset    fingerprints by the time of their last death,   never
                                              up to 10,000 of the last month
    dead:news                         zset    fingerprints by the time they were new          a week
    dead:untold                       hash    new fingerprints that people were not told of   a week after the last
                                              yet, each with the id of its first letter
    dead:told                         string  up to which count of purged letters they were   never
    purging                           string  who removes old dead letters now                a minute
    action:{id}                       hash    what a person does to many dead letters: see    never
                                              broker/actions.py
    actions                           zset    their ids by time; the last 500 are kept        never
    audit                             stream  who did what: the last 100,000, about           never
    source:{name}                     hash    what became of a source's webhooks last: see    never
                                              broker/sources.py
    alert:{kind}:{source}             string  this alert was told: not again before it ends   after the period
    alert:turn                        string  a worker looks whether there is cause for one   seconds
    alerts                            hash    the alerts that hold now, by {kind}:{source}    never
    drift:{source}                    hash    deviations from the models: see broker/drift.py  after a month
    spilled                           hash    what receivers keep on disk, by host:directory  a week
    stats:total                       hash    counters since the beginning, and two gauges    never
    stats:{minute}                    hash    the counters of one minute since 1970           two days

The counters of stats:total add up at any rest:
    accepted = processed + duplicate + buried + queued
    created  = sent + skipped + dead + waiting
"""

STREAM = "webhooks:raw"
GROUP = "workers"
QUEUE = "arq:queue"
JOB = "arq:job:"
IN_PROGRESS = "arq:in-progress:"
RETRY = "arq:retry:"
HEALTH = "arq:health-check:"
DONE = "notify:done:"
CLAIMS = "notify:claims"
DIGEST = "digest:"
DIGESTS = "digests"
LATEST = "latest:"
STRANGER = "stranger:"
HELD_MS = "notify:held:"
CHANNEL = "channel:"
HELD_JOBS = "held:"
CHANNELS = "channels"
RATE = "rate:"
DEAD = "dead:"
DEAD_NOTES = "dead:notes:"
DEAD_INDEX = "dead:index"
DEAD_FACETS = "dead:facets"
DEAD_BY = "dead:by:"
DEAD_DICT = "dead:dict:"
DEAD_DICTS = "dead:dicts"
DEAD_FIND = "dead:find:"
DEAD_FIND_KEY = "dead:find:key"
DEAD_REVIVE = "dead:revive"
DEAD_GROUPS = "dead:groups"
DEAD_NEWS = "dead:news"
DEAD_UNTOLD = "dead:untold"
DEAD_TOLD = "dead:told"
PURGING = "purging"
ACTION = "action:"
ACTIONS = "actions"
AUDIT = "audit"
SOURCE = "source:"
ALERT = "alert:"
ALERT_TURN = "alert:turn"
ALERTS = "alerts"
DRIFT = "drift:"
SPILLED = "spilled"
STATS_TOTAL = "stats:total"
STATS_MINUTE = "stats:"

STATS_TTL_S = 2 * 86_400
LATEST_TTL_S = 30 * 86_400

FACETS_MAX = 2000
"""Combinations of facets that are kept apart; what has others is found by looking at each letter."""

AUDIT_MAX = 100_000
"""Deeds that are kept, about."""

DIGEST_MAX = 500
"""Events of one digest: it ends early where so many came."""
SPILLED_TTL_S = 7 * 86_400

//! The tests of the public interface. Those that take long to compile are packages of their own: the
//! properties in `tests/props`, and the stacks that users build in `tests/stacks`.
//!
//! R1 to R150 are the rules of `tests/requirements.md`, D1 to D31 the rows of its last table. Which test
//! checks which rule; those of `fetch`, `isolate` and `method` are beside the code:
//!
//! | rule | tests |
//! |---|---|
//! | R1 | `cases::every_case`, `rfc6749::rfc6749_3_2_only_post_is_accepted`, `settings::headers_only` |
//! | R2 | `cases::every_case`, `grpc::grpc_lookalikes_follow_the_http_rules`, `rfc6749::rfc6749_appendix_b_media_type`, `rfc9110::rfc9110_8_3_1_media_type_comparison`, `rfc9110::form_in_another_charset_is_refused`, `grpc::caller_never_turns_a_refusal_into_a_success` |
//! | R3 | `bodies::empty_frames_without_a_media_type`, `cases::every_case`, `rfc9110::rfc9110_8_3_missing_media_type_is_no_form` |
//! | R4 | `bodies::declared_too_large_body_is_not_polled`, `bodies::body_of_unknown_length_is_cut_at_the_limit`, `bodies::declared_length_reserves_no_memory`, `cases::every_case` and more |
//! | R5 | `bodies::body_arrives_byte_for_byte`, `bodies::empty_frames_are_skipped`, `bodies::trailers_are_kept_apart`, `bodies::stream_is_handed_on_untouched` and more |
//! | R6 | `props::any_request_gets_a_well_formed_answer`, `tower_contract::inner_service_is_called_once_on_success`, `tower_contract::inner_service_is_not_called_on_refusal`, `tower_contract::client_in_the_extensions_is_replaced`, `assumed::assumed_client_never_gets_past_the_layer` |
//! | R7 | `cases::every_case`, `props::looked_up_id_equals_the_oracle`, `props::any_credentials_pass_through_post`, `rfc6749::rfc6749_appendix_b_strict_utf_8` |
//! | R8 | `cases::every_case`, `rfc6749::rfc6749_appendix_b_escapes_and_separators` |
//! | R9 | `cases::every_case`, `props::looked_up_id_equals_the_oracle`, `rfc6749::rfc6749_appendix_b_escapes_and_separators` |
//! | R10 | `cases::every_case`, `rfc6749::rfc6749_3_2_valueless_parameter_is_omitted` |
//! | R11 | `cases::every_case`, `rfc6749::rfc6749_3_2_repeated_credentials_are_refused`, `settings::last_parameter_wins` |
//! | R12 | `cases::every_case`, `rfc6749::rfc6749_3_2_only_extensions_may_be_repeated`, `settings::last_parameter_wins` |
//! | R13 | `cases::every_case`, `rfc6749::rfc6749_3_2_unknown_parameters_are_ignored` |
//! | R14 | `cases::every_case`, `rfc6749::rfc6749_2_3_1_no_credentials_from_the_uri`, `settings::refuse_uri_credentials` |
//! | R15 | `rfc6749::rfc6749_3_2_tls_is_required_first` |
//! | R16 | `cases::every_case`, `rfc9110::rfc9110_8_4_content_coding_is_refused`, `rfc9110::rfc9110_5_6_1_2_empty_elements_are_ignored`, `rfc9110::rfc9112_6_1_other_transfer_coding_is_501` |
//! | R17 | `bodies::broken_body_is_400` |
//! | R18 | `cases::every_case`, `rfc6749::rfc6749_2_3_two_right_methods_are_refused`, `rfc7523::rfc6749_2_3_assertion_beside_another_method` |
//! | R19 | `cases::every_case`, `rfc6749::rfc6749_2_3_two_right_methods_are_refused`, `rfc7523::rfc6749_2_3_assertion_beside_another_method` |
//! | R20 | `cases::every_case`, `rfc6749::rfc6749_3_2_1_same_client_id_beside_basic` |
//! | R21 | `cases::every_case`, `rfc6749::rfc6749_3_2_1_other_client_id_beside_basic` |
//! | R22 | `cases::every_case`, `rfc6749::rfc6749_3_2_1_id_alone_is_for_public_clients` |
//! | R23 | `cases::every_case`, `rfc6749::rfc6749_5_2_no_client_is_invalid_client` |
//! | R24 | `cases::every_case`, `rfc6749::rfc6749_5_2_other_scheme_is_invalid_client`, `settings::auth_methods` |
//! | R25 | `cases::every_case`, `rfc9110::rfc9110_11_6_2_several_authorizations_are_refused` |
//! | R26 | `cases::every_case`, `rfc6749::rfc6749_2_3_malformed_header_has_no_fallback` |
//! | R27 | `cases::every_case`, `rfc6749::rfc6749_2_3_1_no_credentials_from_other_headers`, `settings::headers_only` |
//! | R28 | `cases::every_case`, `rfc6749::rfc6749_2_3_1_secret_needs_a_client_id` |
//! | R29 | `cases::every_case`, `props::ids_are_found_byte_for_byte`, `rfc6749::rfc6749_2_2_ids_and_secrets_byte_for_byte` |
//! | R30 | `cases::every_case`, `rfc6749::rfc6749_2_2_ids_and_secrets_byte_for_byte` |
//! | R31 | `cases::every_case`, `rfc7617::rfc7617_2_scheme_is_case_insensitive` |
//! | R32 | `cases::every_case`, `rfc7617::rfc7617_2_spaces_before_the_token` |
//! | R33 | `cases::every_case`, `props::header_with_one_byte_changed_is_refused`, `rfc7617::rfc7617_2_junk_in_the_token_is_refused` |
//! | R34 | `cases::every_case`, `rfc7617::rfc7617_2_padding_and_spare_bits` |
//! | R35 | `cases::every_case`, `props::token_halves_equal_the_oracle`, `rfc7617::rfc7617_2_first_colon_separates` |
//! | R36 | `cases::every_case`, `props::looked_up_id_equals_the_oracle`, `props::any_credentials_pass_through_basic`, `props::token_halves_equal_the_oracle` and more |
//! | R37 | `cases::every_case`, `props::token_halves_equal_the_oracle`, `rfc7617::rfc7617_2_control_characters_are_refused` |
//! | R38 | `cases::every_case`, `rfc7591::empty_stored_secret_matches_nothing`, `rfc7617::rfc7617_2_empty_password_equals_nothing` |
//! | R39 | `rfc6749::rfc6749_2_3_1_basic_is_form_decoded_once`, `secrets_at_rest::r39_slow_secret_is_also_compared_raw`, `secrets_at_rest::on_secret_match_sees_the_matching_form`, `settings::raw_basic` and more |
//! | R40 | `rfc7617::rfc7617_2_malformed_values_are_401` |
//! | R41 | `cases::every_case`, `rfc7617::rfc7617_2_1_bytes_beyond_ascii` |
//! | R42 | `cases::every_case`, `rfc7591::rfc7591_2_registered_method_only`, `settings::settings_apply_to_digests` |
//! | R43 | `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_2_absent_method_is_basic` |
//! | R44 | `settings::interchange_basic_and_post`, `settings::settings_apply_to_digests` |
//! | R45 | `cases::every_case`, `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_2_unknown_method_fails_closed`, `rfc7523::rfc7591_2_keys_and_alg_from_metadata` |
//! | R46 | `cases::every_case`, `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_2_missing_secret_fails_closed`, `rfc7591::rfc7591_2_contradictory_registrations`, `rfc7523::rfc7591_2_keys_and_alg_from_metadata` |
//! | R47 | `cases::every_case`, `rfc7591::rfc7591_2_public_client_has_no_credentials`, `settings::ignore_public_credentials` |
//! | R48 | `cases::every_case`, `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_2_contradictory_registrations`, `rfc7591::rfc7591_2_none_with_a_secret_fails_closed` |
//! | R49 | `rfc7009_7662::rfc7662_2_1_refuse_public_clients`, `rfc7009_7662::rfc7662_2_1_public_clients_stay_refused_with_leniency`, `rfc7009_7662::rfc7009_2_1_revocation_par_and_device_are_public`, `mcp_sdk::preset_obeys_the_settings_of_methods` |
//! | R50 | `settings::auth_methods`, `settings::invalid_auth_methods_are_errors`, `rfc7523::rfc8414_2_announced_algorithms`, `settings::auth_methods_narrow_again`, `rfc7523::settings_of_methods_commute` |
//! | R51 | `cases::every_case`, `rfc6749::rfc6749_2_3_1_basic_and_post_by_default` |
//! | R52 | `cases::every_case`, `rfc6749::rfc6749_10_10_whole_secret_is_compared` |
//! | R53 | `cases::every_case`, `rfc7591::rfc6819_5_1_4_1_3_digest_is_enough`, `secrets_at_rest::r53_external_verifier`, `secrets_at_rest::hashes::r53_phc_strings_of_each_algorithm`, `secrets_at_rest::hashes::r53_long_secret_is_hashed_to_its_end` |
//! | R54 | `secrets_at_rest::hashes::r54_hash_delays_no_other_request`, `secrets_at_rest::hashes::r54_full_queue_is_503_with_retry_after`, `secrets_at_rest::r54_waiting_verifier_delays_no_other_request`, `isolate::pool::tests` |
//! | R55 | `cases::every_case`, `rfc7591::rfc7591_3_2_1_any_valid_secret_of_several`, `secrets_at_rest::r55_every_stored_secret_is_compared`, `secrets_at_rest::r61_slow_secret_window_is_checked_last` |
//! | R56 | `secrets_at_rest::generate::rfc6749_10_10_generated_secret_has_256_bits` |
//! | R57 | `auto_traits::secret_is_neither_comparable_nor_serializable`, `metadata::metadata_hides_its_secret`, `secrecy::debug_shows_no_stored_secret`, `rfc7523::debug_shows_no_keys_or_assertions` |
//! | R58 | `cases::every_case`, `metadata::rfc7591_3_2_1_zero_differs_from_absent`, `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_3_2_1_expiry_to_the_second` |
//! | R59 | `cases::every_case`, `rfc7591::rfc7591_3_2_1_expiry_to_the_second`, `secrets_at_rest::r61_slow_secret_window_is_checked_last`, `metadata::records_become_clients_or_fail_closed` |
//! | R60 | `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_3_2_1_expiry_to_the_second` |
//! | R61 | `cases::every_case`, `rfc7591::rfc7591_3_2_1_any_valid_secret_of_several`, `secrets_at_rest::r61_slow_secret_window_is_checked_last` |
//! | R62 | `rfc7523::oidc_10_1_secret_keys_assertions_while_valid` |
//! | R63 | `rfc7591::rfc7591_3_2_1_expiry_to_the_second`, `settings::clock`, `settings::fixed_clock_never_goes_back` |
//! | R64 | `rfc6749::rfc6749_5_2_answer_of_every_error_kind`, `rfc6749::rfc6749_5_2_refusals_are_json_with_registered_codes` |
//! | R65 | `rfc6749::rfc6749_5_2_answer_of_every_error_kind`, `rfc6749::rfc6749_5_2_refusals_are_json_with_registered_codes` |
//! | R66 | `rfc6749::rfc6749_5_2_failed_header_is_401_with_its_scheme` |
//! | R67 | `rfc7009_7662::rfc7662_2_3_invalid_credentials_are_401` |
//! | R68 | `rfc9110::rfc9110_15_5_2_every_401_has_one_challenge` |
//! | R69 | `rfc7617::rfc7617_2_realm_is_quoted`, `rfc7617::rfc7617_2_invalid_realm_is_an_error` |
//! | R70 | `rfc6749::rfc6749_5_2_answer_of_every_error_kind`, `rfc6749::rfc6749_5_2_refusals_are_json_with_registered_codes` |
//! | R71 | `rfc6749::rfc6749_5_2_request_is_not_echoed` |
//! | R72 | `rfc6749::rfc6749_5_2_answer_of_every_error_kind`, `rfc9110::rfc9110_15_5_refusals_name_what_is_allowed` |
//! | R73 | `secrets_at_rest::r73_failing_verifier_is_503`, `secrets_at_rest::r73_silent_verifier_is_503_at_the_deadline`, `isolate::pool::tests`, `grpc::grpc_outages_are_unavailable`, `providers::failing_provider_is_503_without_detail`, `providers::panicking_provider_is_503`, `providers::silent_provider_is_503_at_its_deadline` and more, `cache::r73_panicking_provider_is_503_for_all_waiters` |
//! | R74 | `rfc6749::rfc6749_5_2_answer_of_every_error_kind`, `rfc9110::rfc9110_15_5_refusals_name_what_is_allowed` |
//! | R75 | `grpc::grpc_outages_are_unavailable`, `providers::throttled_attempt_is_429_with_retry_after`, `rfc6749::rfc6749_5_2_answer_of_every_error_kind`, `providers::throttled_cause_is_429_with_retry_after` |
//! | R76 | by design or documentation |
//! | R77 | `cases::every_case`, `props::failures_are_answered_alike`, `rfc6749::rfc6749_10_10_failures_are_answered_alike`, `rfc7523::rfc7521_4_2_1_failed_assertions_are_alike` |
//! | R78 | `secrets_at_rest::r78_unknown_client_costs_one_decoy_verification`, `secrets_at_rest::r78_no_presented_secret_costs_no_verification`, `settings::decoy`, `method::shared_secret::tests`, `secrets_at_rest::hashes::r78_decoy_has_the_kind_of_the_store`, `secrets_at_rest::r78_external_verifier_is_no_decoy`, `method::decoy::tests`, `method::assertion::decoy::tests`, `method::assertion::tests` |
//! | R79 | `throttle`, `providers::throttled_attempt_is_429_with_retry_after`, `providers::throttle_runs_before_the_store`, `settings::on_outcome_sees_every_decision`, `cache::r79_throttled_is_not_remembered`, `cache::r79_stale_if_error_respects_a_throttle`, `providers::throttled_cause_is_429_with_retry_after` |
//! | R80 | `throttle::failures_from_elsewhere_keep_no_client_out`, `throttle::wait_is_never_longer_than_ten_periods` |
//! | R81 | `rfc7523::rfc7521_4_2_assertion_needs_both_parameters`, `settings::invalid_auth_methods_are_errors`, `rfc7523::rfc6749_2_3_assertion_beside_another_method`, `rfc7523::rfc8414_2_announced_algorithms`, `rfc7523::invalid_settings_are_errors` |
//! | R82 | `rfc7523::rfc7523_3_iss_sub_and_client_id_agree`, `federated::c1_token_of_a_trusted_issuer_authenticates`, `federated::c2_issuer_and_subject_are_compared_byte_for_byte`, `federated::c11_nothing_is_fetched_for_an_unknown_issuer` and more |
//! | R83 | `rfc7523::rfc10070_4_issuer_is_the_sole_audience` |
//! | R84 | `rfc7523::rfc7523_3_times_are_checked`, `rfc7523::longest_lifetime_is_measured_by_a_clock_that_may_be_ahead`, `rfc7523::assertion_that_expires_during_the_look_up_is_refused` |
//! | R85 | `rfc7523::rfc7523_3_assertion_is_accepted_once`, `rfc7523::rfc7523_3_jti_is_claimed_last`, `replay::rfc7523_3_assertion_is_claimed_once`, `replay::one_of_many_concurrent_claims_is_granted`, `replay::client_and_jti_are_kept_apart`, `replay_redis::two_processes_never_share_an_assertion`, `replay_redis::answer_to_another_claim_grants_nothing_and_refuses_nothing`, `rfc7523::rfc7523_3_failing_store_is_an_outage`, `rfc7523::jti_with_control_characters_is_refused`, `rfc7523::layers_that_share_a_store_accept_an_assertion_once`, `rfc7523::client_with_its_share_of_the_replay_store_is_throttled_alone`, `replay::used_assertion_stays_used_when_the_clock_is_set_back`, `replay::no_client_holds_more_than_a_sixteenth_of_a_store_that_is_half_full`, `federated::c10_token_stays_used_until_it_expires`, `props::replay`, `replicas::token_of_a_platform_is_accepted_once_by_two_processes` in `examples/hyper_echo` |
//! | R86 | `rfc7523::rfc8725_3_11_other_typ_is_refused` |
//! | R87 | `rfc7523::rfc8725_3_1_accepted_algorithms`, `rfc7523::rfc8725_3_1_registered_algorithm_only`, `rfc7523::invalid_settings_are_errors`, `rfc7523::rfc7591_2_secret_has_the_registered_algorithm` |
//! | R88 | `rfc7523::rfc8725_2_1_public_key_is_never_a_secret` |
//! | R89 | `rfc7523::rfc8725_3_10_keys_in_the_header_are_ignored_and_reported`, `rfc7523::rfc7517_4_kid_use_and_key_ops`, `rfc7523::rfc7517_5_untrusted_key_sets_are_refused`, `rfc7517` |
//! | R90 | `rfc7523::rfc7515_7_1_strict_compact_form`, `rfc7523::rfc7515_4_1_11_critical_and_encrypted_headers_are_refused`, `rfc7523::rfc7518_3_4_signatures_have_one_form` |
//! | R91 | `rfc7523::rfc7519_4_hostile_claims_cost_bounded_work` |
//! | R92 | `rfc7523::oidc_10_1_secret_keys_assertions_while_valid` |
//! | R93 | `published_keys`, `fetch::jwks::tests`, `fetch::remembered::tests`, `fetch::budget::tests`, `fetch::https::tests`, `fetch::https::tests::chain`, `fetch::address::tests`, `rfc7523::rfc7591_2_published_keys_need_a_source` |
//! | R94 | `rfc7523::rfc7521_4_2_1_failed_assertions_are_alike` |
//! | R95 | `mutual_tls::rfc8705_2_certificate_names_no_client`, `mutual_tls::rfc8414_2_metadata_names_what_the_source_can_prove`, `mutual_tls::certificate_is_handed_on_without_a_form` |
//! | R96 | `mutual_tls::rfc8705_2_1_subject_of_a_verified_certificate_authenticates`, `mutual_tls::rfc8705_2_1_unverified_chain_is_refused`, `mutual_tls::rfc8705_2_1_2_registration_has_one_subject`, `mutual_tls::certificate_of_an_authority_is_refused_outside_its_validity` |
//! | R97 | `mutual_tls::rfc8705_2_2_registered_certificate_authenticates_whoever_issued_it`, `mutual_tls::rfc8705_2_2_any_other_certificate_is_refused`, `mutual_tls::rfc8705_2_2_2_only_x5c_is_a_certificate`, `mutual_tls::published_certificates_are_fetched_again_for_an_unknown_one` |
//! | R98 | `mutual_tls::only_the_declared_source_is_read`, `mutual_tls::rfc9440_4_header_of_any_other_hop_is_removed`, `mutual_tls::certificate_is_found_in_an_extension_of_another_type` |
//! | R99 | `mutual_tls::rfc8705_4_certificate_beside_another_method_is_handed_on`, `mutual_tls::certificate_does_not_make_good_for_a_wrong_secret`, `mutual_tls::certificate_is_no_secret_of_another_method` |
//! | R100 | `mutual_tls::rfc8705_2_missing_certificate_is_refused`, `mutual_tls::unknown_client_with_a_certificate_is_answered_like_a_known_one`, `mutual_tls::rfc9440_2_certificate_that_cannot_be_read_refuses_every_method` |
//! | R101 | `cases::every_case` |
//! | R102 | by design or documentation |
//! | R103 | `rfc7009_7662::rfc8414_2_announced_methods_work`, `rfc7009_7662::rfc8414_2_headers_only_announces_basic`, `rfc7523::rfc8414_2_announced_algorithms`, `mcp_sdk::preset_obeys_the_settings_of_methods` |
//! | R104 | `metadata::rfc7591_3_2_1_round_trip_without_the_secret`, `metadata::rfc7591_3_2_1_zero_differs_from_absent`, `rfc7523::rfc7591_2_keys_and_alg_from_metadata` |
//! | R105 | `rfc7591::iana_names_round_trip` |
//! | R106 | `cases::every_case`, `providers::url_id_reaches_the_provider_unchanged`, `rfc7591::url_client_id_is_text`, `metadata_documents::basic_with_a_url_as_id` |
//! | R107 | `cases::service_keeps_no_state_between_requests`, `providers::insert_and_remove_while_serving`, `rfc7591::rfc7592_changes_count_from_the_next_request`, `cache::r107_answer_is_as_old_as_its_question`, `cache::r107_changed_secret_counts_after_the_lifetime`, `cache::r107_invalidated_secret_changes_at_once`, `rfc7523::assertion_is_never_offered_as_a_secret` |
//! | R108 | `bodies::too_many_parameters_cost_no_look_up`, `cases::every_case`, `settings::limits`, `rfc7523::rfc7519_4_hostile_claims_cost_bounded_work` |
//! | R109 | `bodies::too_many_parameters_cost_no_look_up`, `rfc6749::one_look_up_at_most_and_none_if_malformed` |
//! | R110 | `providers::silent_provider_is_503_at_its_deadline`, `secrecy::events::dropped_request_is_logged_once`, `tower_contract::dropped_future_leaves_nothing_behind`, `tower_contract::dropped_future_reports_abandoned_once`, `cache::dropped_leader_without_a_runtime_is_replaced`, `cache::dropped_request_still_fills_the_cache`, `secrets_at_rest::r73_silent_verifier_is_503_at_the_deadline`, `secrets_at_rest::r54_waiting_verifier_delays_no_other_request` |
//! | R111 | `secrecy::outcome_shows_no_credential`, `secrecy::events::no_case_logs_a_secret`, `secrecy::events::hostile_id_is_escaped_and_cut`, `secrecy::events::causes_of_a_refusal_are_cut`, `rfc7523::debug_shows_no_keys_or_assertions` |
//! | R112 | `rfc9110::rfc9110_11_6_2_authorization_is_sensitive`, `secrecy::outcome_shows_no_credential`, `rfc7523::assertion_is_never_offered_as_a_secret`, `forward` |
//! | R113 | `reported`, `secrecy::events::event_has_method_outcome_reason_and_id`, `secrecy::events::dropped_request_is_logged_once`, `settings::raw_basic_reports_the_matching_reason`, `settings::map_error_response_never_lets_a_request_pass` and more |
//! | R114 | `cases::every_case`, `rfc9110::rfc9440_4_certificate_headers_prove_nothing`, `mutual_tls::rfc9440_4_certificate_of_a_trusted_hop_counts`, `mutual_tls::rfc9440_4_header_of_any_other_hop_is_removed` |
//! | R115 | `cases::every_case`, `rfc9110::rfc9440_4_certificate_headers_prove_nothing`, `mutual_tls::only_the_declared_source_is_read` |
//! | R116 | `rfc7523::rfc7523_3_audience_ignores_the_request`, `rfc9110::rfc9440_4_certificate_headers_prove_nothing` |
//! | R117 | `tower_contract::readiness_is_forwarded`, `tower_contract::readiness_error_passes_unchanged`, `tower_contract::inner_service_is_called_once_on_success`, `tower_contract::inner_error_passes_unchanged` and more |
//! | R118 | `bodies::default_body_is_empty`, `cases::service_keeps_no_state_between_requests`, `tower_contract::non_send_service_without_a_runtime` |
//! | R119 | `props::any_request_gets_a_well_formed_answer`, `props::any_request_gets_an_answer_with_any_setting`, `providers::panicking_provider_is_503`, `panics::panicking_observer_changes_no_answer`, `panics::panicking_predicate_lets_no_request_pass`, `panics::panicking_clock_lets_no_request_pass`, `panics::panicking_error_of_a_provider_is_500` and more |
//! | R120 | `bodies::form_is_deserialized_without_polling` |
//! | R121 | `metadata_documents::id_that_is_no_url_of_a_document_is_not_fetched`, `url::url_of_a_document_is_judged_as_it_is_written`, the fuzz target `document` |
//! | R122 | `metadata_documents::id_that_is_no_url_of_a_document_is_not_fetched`, `url::url_of_a_document_is_judged_as_it_is_written` |
//! | R123 | `metadata_documents::public_client_is_known_by_its_document`, `metadata_documents::document_names_its_own_url_byte_for_byte` |
//! | R124 | `metadata_documents::registered_client_wins_and_nothing_is_fetched` |
//! | R125 | `fetch::https::tests::documents::only_200_is_a_document_and_no_redirect_is_followed`, `fetch::https::tests::documents::media_type_is_json_of_any_kind`, `fetch::https::tests::documents::document_is_fetched_as_json_and_without_coding` |
//! | R126 | `metadata_documents::document_is_as_long_as_it_may_be`, `fetch::https::tests::documents::bytes_are_counted_whatever_length_is_declared` |
//! | R127 | `metadata_documents::special_addresses_are_answered_as_names_that_do_not_exist`, `metadata_documents::keys_at_a_special_address_are_an_outage`, `fetch::https::tests::documents::special_addresses_look_like_names_that_do_not_exist`, `fetch::https::tests::documents::silent_and_closed_servers_are_unreachable`, `fetch::https::resolver::tests`, `fetch::address::tests`, `tests/interop/documents/rebinding.py` |
//! | R128 | `metadata_documents::document_with_a_secret_or_two_sets_of_keys_is_refused`, `metadata_documents::key_that_was_private_in_a_document_stays_refused_without_its_private_part`, `metadata_documents::leaked_key_is_remembered_through_a_flood`, `metadata_documents::leaked_key_is_known_to_all_machines_and_after_a_restart` |
//! | R129 | `metadata_documents::keys_are_on_the_host_of_the_client`, `metadata_documents::address_of_keys_is_judged_as_it_is_written`, `metadata_documents::document_with_a_secret_or_two_sets_of_keys_is_refused` |
//! | R130 | `metadata_documents::redirects_are_needed_by_the_grants_that_have_one` |
//! | R131 | `metadata_documents::document_that_is_no_json_object_is_refused`, `metadata_documents::what_a_document_has_more_is_no_obstacle` |
//! | R132 | `metadata_documents::absent_method_is_none`, `metadata_documents::client_with_keys_must_use_them_if_that_is_accepted`, `metadata_documents::list_decides_where_the_stated_method_is_not_accepted`, `metadata_documents::client_without_an_accepted_method_never_authenticates`, `metadata_documents::layer_that_accepts_less_refuses`, the fuzz target `document` |
//! | R133 | `metadata_documents::metadata_of_the_server_says_whether_documents_are_known` |
//! | R134 | `metadata_documents::known_client_survives_an_outage_of_its_host`, `metadata_documents::withdrawn_document_ends_its_client`, `metadata_documents::kept_document_is_as_old_as_it_is`, `metadata_documents::no_request_waits_for_a_document_that_is_fetched_again` |
//! | R135 | `metadata_documents::what_could_not_be_had_is_an_outage_and_what_is_wrong_is_none` |
//! | R136 | `metadata_documents::changed_document_is_told_once_and_its_keys_are_used` |
//! | R137 | `metadata_documents::what_could_not_be_had_is_an_outage_and_what_is_wrong_is_none`, `metadata_documents::special_addresses_are_answered_as_names_that_do_not_exist` |
//! | R138 | `metadata_documents::host_or_predicate_that_says_no_stops_before_the_network`, `metadata_documents::requests_for_one_unknown_url_share_a_fetch`, `metadata_documents::strangers_have_bounds_of_their_own`, `metadata_documents::host_that_was_chosen_has_room_for_many_unknown_clients`, `metadata_documents::trusted_document_is_fetched_again_whatever_others_do`, `metadata_documents::one_host_pushes_out_documents_of_its_own_alone`, `metadata_documents::client_in_use_is_known_through_a_flood`, `metadata_documents::nothing_is_put_of_a_client_that_is_not_to_be_kept`, `metadata_documents::strangers_put_nothing_into_the_store`, `metadata_documents::leaked_key_is_remembered_through_a_flood`, `metadata_documents::known_document_outlives_a_want_of_room`, `fetch::https::tests::documents::strangers_connect_to_a_network_so_often_a_minute_for_documents` |
//! | R139 | `metadata_documents::document_that_is_kept_is_known_to_the_next_machine`, `metadata_documents::document_stays_kept_until_it_is_withdrawn`, `metadata_documents::document_replaces_no_newer_one_and_no_withdrawal_of_the_same_second`, `metadata_documents::leaked_key_is_known_to_all_machines_and_after_a_restart`, `metadata_documents::kept_document_is_as_old_as_it_is`, `metadata_documents::what_is_kept_is_judged_again`, `metadata_documents::failing_store_is_a_miss`, `metadata_documents::known_only_makes_no_first_contact`, `metadata_documents::known_only_handle_shares_what_is_known`, `metadata_documents::withdrawn_document_does_not_come_back_from_the_store`, `documents_redis` |
//! | R140 | `attestation::abca_7_1_and_7_2_each_header_is_there_once`, `attestation::abca_7_one_header_without_the_other_is_refused`, `attestation::abca_4_values_are_compact_and_bounded` |
//! | R141 | `attestation::abca_4_and_5_1_typ_is_the_one_of_each`, `attestation::abca_7_1_and_7_2_algorithms_are_asymmetric_and_strong`, `attestation::abca_4_unknown_claims_are_ignored_and_repeated_ones_refused` |
//! | R142 | `attestation::abca_7_1_attester_of_this_client_signed`, `attestation::attester_that_is_not_trusted_is_told_to_the_operator`, `attestation::published_keys_of_an_attester_need_a_source`, `attestation::metadata_names_the_attester` |
//! | R143 | `attestation::abca_7_4_attestation_that_is_not_fresh_is_asked_for_again` |
//! | R144 | `attestation::abca_7_1_key_of_the_instance_is_public_and_usable`, `attestation::abca_7_2_key_of_the_instance_made_the_proof`, `attestation::abca_example_has_the_proof_of_its_instance` |
//! | R145 | `attestation::abca_7_5_sub_names_the_client_wherever_that_stands`, `attestation::rfc6749_2_3_attestation_beside_another_method`, `attestation::abca_7_6_signal_is_judged_and_the_other_method_decides`, `attestation::abca_7_4_attested_client_without_attestation_is_refused` |
//! | R146 | `attestation::abca_5_1_audience_of_the_proof_is_the_issuer_alone`, `attestation::abca_7_2_proof_is_made_within_the_window`, `attestation::abca_5_1_proof_has_an_id`, `attestation::abca_12_1_proof_is_accepted_once`, `attestation::abca_12_1_one_of_a_thousand_equal_proofs_is_accepted`, `attestation::two_instances_may_have_one_id`, `attestation::proof_is_claimed_after_everything_else`, `attestation::proof_stays_used_for_as_long_as_it_is_accepted`, `replicas::proof_of_possession_is_accepted_once_by_two_processes` in `examples/hyper_echo` |
//! | R147 | `attestation::abca_6_1_proof_has_a_challenge_of_this_server`, `attestation::abca_6_1_challenge_is_for_those_whose_signatures_are_right`, `attestation::abca_6_2_fresh_challenge_comes_with_answers_to_attested_requests_alone`, `attestation::abca_6_3_challenge_endpoint_answers_with_a_new_one_each_time`, `attestation::challenge_is_accepted_once_if_it_is_so_set`, `attestation::challenge_for_one_use_stays_used_for_as_long_as_it_is_good`, `attestation::challenge_of_one_replica_is_good_at_the_next` |
//! | R148 | `attestation::dpop_beside_a_proof_is_passed_on`, `attestation::abca_7_one_header_without_the_other_is_refused` |
//! | R149 | `attestation::abca_8_metadata_names_what_is_accepted`, `attestation::thumbprint_of_the_instance_is_handed_on`, `attestation::rfc7638_3_1_and_rfc8037_a_3_thumbprints`, `attestation::failed_attestations_are_answered_alike`, `method::attestation::tests` |
//! | R150 | `attestation::x5c::abca_10_8_chain_leads_to_an_anchor`, `attestation::x5c::rfc5280_6_chain_is_as_its_issuers_say`, `attestation::x5c::certificate_has_the_subject_that_is_asked_for`, `attestation::x5c::chain_is_bounded_before_anything_of_it_is_read`, `attestation::x5c::rfc8725_3_10_certificates_count_for_attesters_with_anchors_alone`, `method::attestation::tests::x5c::every_outcome_costs_a_verification_for_each_certificate_and_two` and more |
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod adding_a_method;
mod answers;
#[cfg(feature = "test-util")]
mod assumed;
#[cfg(feature = "unstable-attestation")]
mod attestation;
mod auto_traits;
mod bodies;
#[cfg(feature = "cache")]
mod cache;
mod cases;
#[cfg(all(feature = "metadata-documents", feature = "redis"))]
mod documents_redis;
mod examples;
#[cfg(feature = "jwt")]
mod federated;
mod forward;
mod grpc;
#[cfg(feature = "jwt")]
mod jose;
#[cfg(feature = "jwt")]
mod key_forms;
mod mcp_sdk;
mod metadata;
#[cfg(feature = "metadata-documents")]
mod metadata_documents;
#[cfg(feature = "mtls")]
mod mutual_tls;
mod optional;
mod panics;
mod providers;
#[cfg(feature = "jwt")]
mod published_keys;
mod reasons;
#[cfg(feature = "jwt")]
mod replay;
#[cfg(feature = "redis")]
mod replay_redis;
#[cfg(feature = "jwt")]
mod replay_store;
mod reported;
mod rfc6749;
mod rfc7009_7662;
#[cfg(feature = "jwt")]
mod rfc7517;
#[cfg(feature = "jwt")]
mod rfc7523;
mod rfc7591;
mod rfc7617;
mod rfc9110;
mod script;
mod secrecy;
mod secrets_at_rest;
mod served;
mod settings;
mod support;
mod tenants;
mod threat_model;
mod throttle;
#[cfg(feature = "redis")]
mod throttle_redis;
mod tower_contract;
